#include "sweeps/unit_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"
#include "sweeps/hdf5.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file_block.hpp"

namespace calsweep {
namespace {

int format_for(Outputs outputs) {
  return outputs == Outputs::Logits ? kUnitFileFormat : kUnitFileFormatProbabilities;
}

struct EpochRow {  // the stored form of EpochRecord
  std::int64_t epoch;
  double train_loss, test_accuracy, test_nll, test_confidence, test_ece_guo2017, test_ece_noise2026;
};

hdf5::Handle epoch_type() {
  auto type = hdf5::check(H5Tcreate(H5T_COMPOUND, sizeof(EpochRow)), "make the epoch type");
  const auto add = [&](const char* name, std::size_t offset, hid_t member) {
    hdf5::check_status(H5Tinsert(type.get(), name, offset, member), "make the epoch type");
  };
  add("epoch", HOFFSET(EpochRow, epoch), H5T_NATIVE_INT64);
  add("train_loss", HOFFSET(EpochRow, train_loss), H5T_NATIVE_DOUBLE);
  add("test_accuracy", HOFFSET(EpochRow, test_accuracy), H5T_NATIVE_DOUBLE);
  add("test_nll", HOFFSET(EpochRow, test_nll), H5T_NATIVE_DOUBLE);
  add("test_confidence", HOFFSET(EpochRow, test_confidence), H5T_NATIVE_DOUBLE);
  add("test_ece_guo2017", HOFFSET(EpochRow, test_ece_guo2017), H5T_NATIVE_DOUBLE);
  add("test_ece_noise2026", HOFFSET(EpochRow, test_ece_noise2026), H5T_NATIVE_DOUBLE);
  return type;
}

void write_header(hid_t root, const UnitFileHeader& header) {
  hdf5::write_integer(root, "format", format_for(header.outputs));
  hdf5::write_text(root, "unit", header.unit.str());
  hdf5::write_integer(root, "attempt", header.attempt);
  hdf5::write_text(root, "dataset", header.dataset);
  hdf5::write_integer(root, "n_classes", header.n_classes);
  hdf5::write_text(root, "data_fingerprints", nlohmann::json(header.fingerprints).dump());
  if (header.outputs == Outputs::Logits) {
    hdf5::write_text(root, "logit_unit", "natural-log odds up to a constant per row (pre-softmax)");
  } else {
    hdf5::write_text(root, "outputs", std::string(to_string(header.outputs)));
  }
  const auto& made = header.provenance;
  hdf5::write_text(root, "calsweep_version", made.calsweep_version);
  hdf5::write_text(root, "libtorch_version", made.libtorch_version);
  hdf5::write_text(root, "hdf5_version", hdf5::library_version());
  hdf5::write_text(root, "host", made.host);
  hdf5::write_text(root, "device", made.device);
  hdf5::write_text(root, "started_at", made.started_at);
  hdf5::write_integer(root, "threads", made.threads);
}

Outputs read_outputs(hid_t root) {
  if (H5Aexists(root, "outputs") <= 0) return Outputs::Logits;
  const std::string text = hdf5::read_text(root, "outputs");
  for (const auto outputs : {Outputs::Logits, Outputs::Probabilities}) {
    if (to_string(outputs) == text) return outputs;
  }
  throw FormatError("it holds '" + text + "', neither logits nor probabilities");
}

std::map<std::string, std::string> read_fingerprints(hid_t root) {
  try {
    return nlohmann::json::parse(hdf5::read_text(root, "data_fingerprints"))
        .get<std::map<std::string, std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("its data fingerprints are not readable: {}", error.what()));
  }
}

UnitFileHeader read_header(hid_t root) {
  UnitFileHeader header;
  header.unit = UnitId::from_hex(hdf5::read_text(root, "unit"));
  header.attempt = hdf5::read_integer(root, "attempt");
  header.dataset = hdf5::read_text(root, "dataset");
  header.n_classes = hdf5::read_integer(root, "n_classes");
  if (header.n_classes < 1) throw FormatError("it has no classes");
  header.fingerprints = read_fingerprints(root);
  header.outputs = read_outputs(root);
  auto& made = header.provenance;
  made.calsweep_version = hdf5::read_text(root, "calsweep_version");
  made.libtorch_version = hdf5::read_text(root, "libtorch_version");
  made.hdf5_version = hdf5::read_text(root, "hdf5_version");
  made.host = hdf5::read_text(root, "host");
  made.device = hdf5::read_text(root, "device");
  made.started_at = hdf5::read_text(root, "started_at");
  made.threads = hdf5::read_integer(root, "threads");
  return header;
}

void write_trial_attributes(hid_t group, const TrialRecord& trial) {
  hdf5::write_text(group, "settings", trial.settings);
  hdf5::write_integer(group, "seed", trial.seed);
  hdf5::write_integer(group, "member", trial.member);
  hdf5::write_integer(group, "fused_width", trial.fused_width);
  hdf5::write_text(group, "outcome",
                   trial.outcome == TrialOutcome::Completed ? "completed" : "diverged");
  hdf5::write_integer(group, "diverged_step", trial.diverged_step);
  hdf5::write_real(group, "train_seconds", trial.train_seconds);
}

void write_epochs(hid_t group, const std::vector<EpochRecord>& epochs) {
  std::vector<EpochRow> rows;
  for (const auto& e : epochs) {
    rows.push_back({e.epoch, e.train_loss, e.test_accuracy, e.test_nll, e.test_confidence,
                    e.test_ece_guo2017, e.test_ece_noise2026});
  }
  const hsize_t shape[] = {rows.size()};
  hdf5::write_dataset(group, "epochs", epoch_type().get(), shape, rows.data());
}

std::vector<EpochRecord> read_epochs(hid_t group) {
  hdf5::Handle dataset;
  std::vector<EpochRow> rows(hdf5::open_dataset(group, "epochs", dataset));
  if (!rows.empty()) {
    hdf5::check_status(
        H5Dread(dataset.get(), epoch_type().get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()),
        "read the epoch record");
  }
  std::vector<EpochRecord> epochs;
  for (const auto& r : rows) {
    epochs.push_back({r.epoch, r.train_loss, r.test_accuracy, r.test_nll, r.test_confidence,
                      r.test_ece_guo2017, r.test_ece_noise2026});
  }
  return epochs;
}

}  // namespace

std::string_view to_string(Outputs outputs) {
  return outputs == Outputs::Logits ? "logits" : "probabilities";
}

struct UnitFileWriter::Impl {
  /// The set that is being filled block by block.
  struct OpenSet {
    hdf5::Handle dataset;
    hsize_t columns = 1, n_rows = 0, n_written = 0;
  };

  fs::path path, partial;
  std::int64_t n_classes = 0;
  Outputs outputs = Outputs::Logits;
  hdf5::Handle file;
  bool sealed = false;
  OpenSet open;

  std::string group_of_outputs() const { return std::string(to_string(outputs)) + "/"; }

  // HDF5 says "errno = 28" somewhere in a long line. A full disk is no damaged file.
  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const FormatError& error) {
      const std::string text = error.what();
      const auto at = text.find("errno = ");
      if (at == std::string::npos) throw;
      const int code = std::atoi(text.c_str() + at + 8);
      throw IoError(
          fmt::format("cannot write {}: {}; check that the directory exists, is writable "
                      "and has room",
                      partial.string(), std::strerror(code)));
    }
  }

  void begin(const std::string& name, hid_t type, std::int64_t n_rows, bool is_matrix) {
    CALSWEEP_CHECK(open.n_written == open.n_rows, "the set before is not complete");
    CALSWEEP_CHECK(n_rows >= 0, "a set has rows");
    std::vector<hsize_t> shape = {static_cast<hsize_t>(n_rows)};
    if (is_matrix) shape.push_back(static_cast<hsize_t>(n_classes));
    guarded([&] {
      open = {hdf5::create_dataset(file.get(), name, type, shape), is_matrix ? shape[1] : 1,
              shape[0], 0};
    });
  }

  void append(hid_t type, std::size_t n_values, const void* data) {
    CALSWEEP_CHECK(n_values % open.columns == 0, "blocks are made of whole rows");
    const hsize_t n = n_values / open.columns;
    CALSWEEP_CHECK(n <= open.n_rows - open.n_written, "more rows than the set was begun with");
    guarded([&] { hdf5::write_rows(open.dataset.get(), type, open.n_written, n, data); });
    open.n_written += n;
  }
};

UnitFileWriter::UnitFileWriter(fs::path path, const UnitFileHeader& header)
    : impl_(std::make_unique<Impl>()) {
  hdf5::silence();
  impl_->path = path;
  impl_->partial = path;
  // Named by attempt: a superseded trainer that still writes must not share the file of its
  // successor.
  impl_->partial += fmt::format(".{}.partial", header.attempt);
  impl_->n_classes = header.n_classes;
  impl_->outputs = header.outputs;
  CALSWEEP_CHECK(header.n_classes > 0, "a unit file needs the number of classes");
  const auto creation = hdf5::check(H5Pcreate(H5P_FILE_CREATE), "set up a file");
  hdf5::check_status(H5Pset_userblock(creation.get(), kUserBlockBytes), "reserve the header");
  const hid_t id =
      H5Fcreate(impl_->partial.c_str(), H5F_ACC_TRUNC, creation.get(), hdf5::file_access().get());
  if (id < 0) {
    throw IoError(
        fmt::format("cannot create {}: {}; check that the directory exists, is writable "
                    "and has room",
                    impl_->partial.string(), std::strerror(errno)));
  }
  impl_->file = hdf5::Handle(id);
  impl_->guarded([&] {
    write_header(id, header);
    for (const char* group : {"labels", "trials"}) {
      hdf5::check(H5Gcreate2(id, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "make a group");
    }
  });
}

UnitFileWriter::~UnitFileWriter() {
  if (!impl_ || impl_->sealed) return;
  impl_->file = hdf5::Handle();
  std::error_code ignored;
  fs::remove(impl_->partial, ignored);
}

void UnitFileWriter::add_labels(const std::string& set, std::span<const std::int32_t> labels) {
  for (const auto label : labels) {
    CALSWEEP_CHECK(label >= 0 && label < impl_->n_classes, "a label is out of range");
  }
  const hsize_t shape[] = {labels.size()};
  impl_->guarded([&] {
    hdf5::write_dataset(impl_->file.get(), "labels/" + set, H5T_NATIVE_INT32, shape, labels.data());
  });
}

void UnitFileWriter::add_trial(const TrialRecord& trial) {
  impl_->guarded([&] { write_trial(trial); });
}

void UnitFileWriter::write_trial(const TrialRecord& trial) {
  const auto group = hdf5::check(H5Gcreate2(impl_->file.get(), ("trials/" + trial.id.str()).c_str(),
                                            H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                 "add trial " + trial.id.str());
  write_trial_attributes(group.get(), trial);
  write_epochs(group.get(), trial.epochs);
  for (const auto& set : trial.logits) {
    const auto columns = static_cast<std::size_t>(impl_->n_classes);
    CALSWEEP_CHECK(set.logits.size() % columns == 0, "logits are not [rows, n_classes]");
    const hsize_t shape[] = {set.logits.size() / columns, columns};
    hdf5::write_dataset(group.get(), impl_->group_of_outputs() + set.name, H5T_NATIVE_FLOAT, shape,
                        set.logits.data());
  }
}

void UnitFileWriter::begin_labels(const std::string& set, std::int64_t n_rows) {
  impl_->begin("labels/" + set, H5T_NATIVE_INT32, n_rows, false);
}

void UnitFileWriter::append_labels(std::span<const std::int32_t> labels) {
  for (const auto label : labels) {
    CALSWEEP_CHECK(label >= 0 && label < impl_->n_classes, "a label is out of range");
  }
  impl_->append(H5T_NATIVE_INT32, labels.size(), labels.data());
}

void UnitFileWriter::begin_outputs(const TrialId& id, const std::string& set, std::int64_t n_rows,
                                   bool float64) {
  impl_->begin("trials/" + id.str() + "/" + impl_->group_of_outputs() + set,
               float64 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT, n_rows, true);
}

void UnitFileWriter::append_outputs(std::span<const float> rows) {
  impl_->append(H5T_NATIVE_FLOAT, rows.size(), rows.data());
}

void UnitFileWriter::append_outputs(std::span<const double> rows) {
  impl_->append(H5T_NATIVE_DOUBLE, rows.size(), rows.data());
}

std::string UnitFileWriter::seal() {
  CALSWEEP_CHECK(impl_->open.n_written == impl_->open.n_rows, "the last set is not complete");
  impl_->open = {};
  impl_->guarded([&] {
    hdf5::check_status(H5Fflush(impl_->file.get(), H5F_SCOPE_GLOBAL), "flush a unit file");
    impl_->file.close();
  });
  UserBlock block{format_for(impl_->outputs), checksum_behind_block(impl_->partial),
                  static_cast<std::int64_t>(fs::file_size(impl_->partial))};
  write_user_block(impl_->partial, block);
  sync_file(impl_->partial);
  std::error_code error;
  fs::rename(impl_->partial, impl_->path, error);
  if (error) {
    throw IoError(
        fmt::format("cannot rename {} into place: {}", impl_->partial.string(), error.message()));
  }
  impl_->sealed = true;
  sync_file(impl_->path);
  return block.checksum;
}

struct UnitFileReader::Impl {
  fs::path path;
  UserBlock block;
  hdf5::Handle file;
  UnitFileHeader header;

  std::string place(const TrialId& id, const std::string& set) const {
    return fmt::format("trials/{}/{}/{}", id.hex(), to_string(header.outputs), set);
  }

  void expect(Outputs outputs) const {
    if (header.outputs == outputs) return;
    throw FormatError(
        fmt::format("it holds {}, not {}", to_string(header.outputs), to_string(outputs)));
  }

  /// Rows of the dataset `name`, converted to `type`; all of them from `first_row` on if n_rows <
  /// 0.
  template <class Number>
  std::vector<Number> rows(const std::string& name, hid_t type, hsize_t columns,
                           std::int64_t first_row, std::int64_t n_rows) const {
    hdf5::Handle dataset;
    const std::size_t n_values = hdf5::open_dataset(file.get(), name, dataset);
    const auto shape = hdf5::shape_of(dataset.get());
    const std::size_t n_dimensions = columns == 0 ? 1 : 2;
    if (shape.size() != n_dimensions || (columns != 0 && shape[1] != columns)) {
      throw FormatError("'" + name + "' does not have the shape it should");
    }
    const auto first = static_cast<hsize_t>(first_row);
    const hsize_t n = n_rows < 0 ? shape[0] : static_cast<hsize_t>(n_rows);
    CALSWEEP_CHECK(first_row >= 0 && first <= shape[0] && n <= shape[0] - first,
                   "rows that are not there");
    std::vector<Number> values(shape[0] == 0 ? 0 : n_values / shape[0] * n);
    hdf5::read_rows(dataset.get(), type, first, n, values.data());
    return values;
  }

  // HDF5's complaints name no file: add it.
  template <class Function>
  auto guarded(Function function) const {
    try {
      return function();
    } catch (const FormatError& error) {
      refuse_unit_file(path, error.what());
    }
  }
};

UnitFileReader::UnitFileReader(fs::path path, bool verify_checksum)
    : impl_(std::make_unique<Impl>()) {
  hdf5::silence();
  impl_->path = std::move(path);
  impl_->block = read_user_block(impl_->path);
  if (verify_checksum && checksum_behind_block(impl_->path) != impl_->block.checksum) {
    refuse_unit_file(impl_->path, "its content does not match its checksum");
  }
  impl_->guarded([&] {
    impl_->file = hdf5::check(
        H5Fopen(impl_->path.c_str(), H5F_ACC_RDONLY, hdf5::file_access().get()), "open it");
    impl_->header = read_header(impl_->file.get());
    if (format_for(impl_->header.outputs) != impl_->block.format) {
      throw FormatError(fmt::format("format {} does not go with {}", impl_->block.format,
                                    to_string(impl_->header.outputs)));
    }
  });
}

UnitFileReader::~UnitFileReader() = default;
UnitFileReader::UnitFileReader(UnitFileReader&&) noexcept = default;

const UnitFileHeader& UnitFileReader::header() const { return impl_->header; }
const std::string& UnitFileReader::checksum() const { return impl_->block.checksum; }

std::vector<TrialId> UnitFileReader::trials() const {
  return impl_->guarded([&] {
    std::vector<TrialId> ids;
    for (const auto& name : hdf5::child_names(impl_->file.get(), "trials")) {
      ids.push_back(TrialId::from_hex(name));
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  });
}

TrialRecord UnitFileReader::trial(const TrialId& id) const {
  return impl_->guarded([&] {
    const auto group = hdf5::check(
        H5Gopen2(impl_->file.get(), ("trials/" + id.str()).c_str(), H5P_DEFAULT), "open a trial");
    TrialRecord trial;
    trial.id = id;
    trial.settings = hdf5::read_text(group.get(), "settings");
    trial.seed = hdf5::read_integer(group.get(), "seed");
    trial.member = hdf5::read_integer(group.get(), "member");
    trial.fused_width = hdf5::read_integer(group.get(), "fused_width");
    trial.outcome = hdf5::read_text(group.get(), "outcome") == "completed" ? TrialOutcome::Completed
                                                                           : TrialOutcome::Diverged;
    trial.diverged_step = hdf5::read_integer(group.get(), "diverged_step");
    trial.train_seconds = hdf5::read_real(group.get(), "train_seconds");
    trial.epochs = read_epochs(group.get());
    return trial;
  });
}

std::vector<std::string> UnitFileReader::logit_sets(const TrialId& id) const {
  return impl_->guarded([&] {
    const std::string base =
        "trials/" + id.str() + "/" + std::string(to_string(impl_->header.outputs));
    std::vector<std::string> sets;
    for (const auto& name : hdf5::child_names(impl_->file.get(), base)) {
      if (name != "ood") {
        sets.push_back(name);
        continue;
      }
      for (const auto& ood : hdf5::child_names(impl_->file.get(), base + "/ood")) {
        sets.push_back("ood/" + ood);
      }
    }
    std::sort(sets.begin(), sets.end());
    return sets;
  });
}

Outputs UnitFileReader::outputs() const { return impl_->header.outputs; }

std::int64_t UnitFileReader::n_rows(const TrialId& id, const std::string& set) const {
  return impl_->guarded([&] {
    hdf5::Handle dataset;
    hdf5::open_dataset(impl_->file.get(), impl_->place(id, set), dataset);
    const auto shape = hdf5::shape_of(dataset.get());
    if (shape.empty()) throw FormatError("'" + set + "' has no rows");
    return static_cast<std::int64_t>(shape[0]);
  });
}

std::vector<float> UnitFileReader::logits(const TrialId& id, const std::string& set) const {
  return logits(id, set, 0, -1);
}

std::vector<float> UnitFileReader::logits(const TrialId& id, const std::string& set,
                                          std::int64_t first_row, std::int64_t n_rows) const {
  return impl_->guarded([&] {
    impl_->expect(Outputs::Logits);
    return impl_->rows<float>(impl_->place(id, set), H5T_NATIVE_FLOAT,
                              static_cast<hsize_t>(impl_->header.n_classes), first_row, n_rows);
  });
}

std::vector<double> UnitFileReader::probabilities(const TrialId& id, const std::string& set) const {
  return probabilities(id, set, 0, -1);
}

std::vector<double> UnitFileReader::probabilities(const TrialId& id, const std::string& set,
                                                  std::int64_t first_row,
                                                  std::int64_t n_rows) const {
  return impl_->guarded([&] {
    impl_->expect(Outputs::Probabilities);
    return impl_->rows<double>(impl_->place(id, set), H5T_NATIVE_DOUBLE,
                               static_cast<hsize_t>(impl_->header.n_classes), first_row, n_rows);
  });
}

std::vector<std::int32_t> UnitFileReader::labels(const std::string& set) const {
  return labels(set, 0, -1);
}

std::vector<std::int32_t> UnitFileReader::labels(const std::string& set, std::int64_t first_row,
                                                 std::int64_t n_rows) const {
  return impl_->guarded([&] {
    return impl_->rows<std::int32_t>("labels/" + set, H5T_NATIVE_INT32, 0, first_row, n_rows);
  });
}

}  // namespace calsweep
