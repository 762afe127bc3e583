#include "worker/checkpoint_file.hpp"

#include "sweeps/sweep.hpp"
#include "worker/pickled_dictionary.hpp"

namespace calsweep::worker {
namespace {

std::string_view bytes_of(const at::Tensor& contiguous) {
  return {static_cast<const char*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

/// One entry as text; of a tensor its type, shape and the SHA-256 of its bytes.
std::string entry_text(const c10::IValue& value) {
  if (value.isInt()) return std::to_string(value.toInt());
  if (value.isString()) return value.toStringRef();
  if (!value.isTensor()) throw FormatError("holds something that is no checkpoint's");
  const at::Tensor tensor = value.toTensor().contiguous();
  std::string text = at::toString(tensor.scalar_type());
  for (const auto size : tensor.sizes()) text += " " + std::to_string(size);
  return text + " " + sha256_hex(bytes_of(tensor));
}

template <class Value>
at::Tensor copied(const std::vector<Value>& values, at::ScalarType type) {
  at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions().dtype(type));
  std::copy(values.begin(), values.end(), tensor.data_ptr<Value>());
  return tensor;
}

class StateSaver final : public StateVisitor {
 public:
  explicit StateSaver(PickledDictionary& content) : content_(content) {}

  bool restoring() const override { return false; }
  void tensor(const std::string& name, const at::Tensor& value) override {
    // A copy of its own: a view would take the whole of what it views along.
    content_.insert(name,
                    value.to(at::kCPU, value.scalar_type(), false, /*copy=*/true).contiguous());
  }
  void integer(const std::string& name, std::int64_t& value) override {
    content_.insert(name, value);
  }
  void text(const std::string& name, std::string& value) override { content_.insert(name, value); }
  void values(const std::string& name, std::vector<double>& values) override {
    content_.insert(name, copied(values, at::kDouble));
  }
  void values(const std::string& name, std::vector<float>& values) override {
    content_.insert(name, copied(values, at::kFloat));
  }

 private:
  PickledDictionary& content_;
};

class StateLoader final : public StateVisitor {
 public:
  explicit StateLoader(const PickledDictionary& content) : content_(content) {}

  bool restoring() const override { return true; }
  void tensor(const std::string& name, const at::Tensor& value) override {
    const at::Tensor stored = stored_tensor(name, value.scalar_type());
    if (stored.sizes() != value.sizes()) refuse(name);
    at::Tensor target = value;
    target.copy_(stored);
  }
  void integer(const std::string& name, std::int64_t& value) override {
    const c10::IValue stored = entry(name);
    if (!stored.isInt()) refuse(name);
    value = stored.toInt();
  }
  void text(const std::string& name, std::string& value) override {
    const c10::IValue stored = entry(name);
    if (!stored.isString()) refuse(name);
    value = stored.toStringRef();
  }
  void values(const std::string& name, std::vector<double>& values) override {
    load(name, at::kDouble, values);
  }
  void values(const std::string& name, std::vector<float>& values) override {
    load(name, at::kFloat, values);
  }

 private:
  [[noreturn]] static void refuse(const std::string& name) {
    throw FormatError("has an unexpected " + name);
  }
  c10::IValue entry(const std::string& name) const {
    const auto found = content_.find(name);
    if (found == content_.end()) throw FormatError("lacks " + name);
    return found->value();
  }
  at::Tensor stored_tensor(const std::string& name, at::ScalarType type) const {
    const c10::IValue stored = entry(name);
    if (!stored.isTensor() || stored.toTensor().scalar_type() != type) refuse(name);
    return stored.toTensor().contiguous();
  }
  template <class Value>
  void load(const std::string& name, at::ScalarType type, std::vector<Value>& values) const {
    const at::Tensor stored = stored_tensor(name, type);
    if (stored.dim() != 1) refuse(name);
    const Value* first = stored.const_data_ptr<Value>();
    values.assign(first, first + stored.numel());
  }

  const PickledDictionary& content_;
};

/// Throws ForeignCheckpoint unless file and reader agree.
void check_origin(const std::string& what, const std::string& stored, const std::string& own) {
  if (stored == own) return;
  throw ForeignCheckpoint("its " + what + " is '" + stored + "', not '" + own + "'");
}

const std::string kTraining = "training", kFinished = "finished";

}  // namespace

std::string checkpoint_checksum(const PickledDictionary& content,
                                const std::function<void()>& pulse) {
  std::string text;
  for (const auto& item : content) {
    const std::string name = item.key().toStringRef();
    if (name == "checksum") continue;
    text += name + "=" + entry_text(item.value()) + "\n";
    if (pulse) pulse();
  }
  return sha256_hex(text);
}

std::int64_t write_checkpoint(const std::filesystem::path& file, const CheckpointLabel& label,
                              const VisitState& state, const std::function<void()>& pulse) {
  PickledDictionary content = make_dictionary();
  content.insert("format", kCheckpointFormat);
  content.insert("stack", label.stack.str());
  content.insert("kind", label.kind == CheckpointKind::Training ? kTraining : kFinished);
  content.insert("work", label.work);
  content.insert("semantics", std::int64_t{kTrainingSemantics});
  content.insert("made_on", label.made_on);
  StateSaver saver(content);
  state(saver);
  content.insert("checksum", checkpoint_checksum(content, pulse));
  return write_dictionary(file, content, pulse);
}

StoredCheckpoint::StoredCheckpoint(const std::filesystem::path& file, const StackId& stack,
                                   const std::string& made_on, const std::function<void()>& pulse)
    : content_(make_dictionary()) {
  const PickledFile pickled(file, "checkpoint");
  check_origin("format", std::to_string(pickled.integer("format")),
               std::to_string(kCheckpointFormat));
  content_ = pickled.content();
  try {
    if (pickled.text("checksum") != checkpoint_checksum(content_, pulse)) {
      throw FormatError("does not match its checksum");
    }
  } catch (const FormatError& error) {
    pickled.refuse(error.what());
  }
  check_origin("stack", pickled.text("stack"), stack.str());
  check_origin("training semantics", std::to_string(pickled.integer("semantics")),
               std::to_string(kTrainingSemantics));
  check_origin("device", pickled.text("made_on"), made_on);
  const std::string kind = pickled.text("kind");
  if (kind != kTraining && kind != kFinished) pickled.refuse("has an unexpected kind");
  work_ = pickled.integer("work");
  kind_ = kind == kTraining ? CheckpointKind::Training : CheckpointKind::Finished;
}

void StoredCheckpoint::restore(const VisitState& state) const {
  StateLoader loader(content_);
  try {
    state(loader);
  } catch (const FormatError& error) {
    throw UnfitCheckpoint(error.what());
  }
}

}  // namespace calsweep::worker
