#include "sweeps/imported/record_files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "sweeps/errors.hpp"
#include "sweeps/imported/array_reader.hpp"
#include "sweeps/imported/output_checks.hpp"
#include "sweeps/odin_set.hpp"
#include "sweeps/sha256.hpp"
#include "sweeps/unit_file.hpp"
#include "sweeps/version.hpp"

namespace calsweep::imported {
namespace {

constexpr std::int64_t kValuesPerBlock = std::int64_t{1} << 18;

/// Where the rows go, the second time.
struct Destination {
  UnitFileWriter* writer = nullptr;
  TrialId trial;
};

class SplitReading {
 public:
  SplitReading(const Record& record, const Split& split, const std::filesystem::path& folder)
      : record_(record), split_(split) {
    OpenOptions options{folder, split.header, {}};
    const auto outputs = parse_reference(split.source);
    if (!split.labels.empty()) {
      const auto labels = parse_reference(split.labels);
      labels_ = open_array(labels, options);
      if (outputs.kind == FileKind::Csv && outputs.file == labels.file) {
        options.other_column = labels.inside;
      }
    }
    outputs_ = open_array(outputs, options);
    check_outputs_shape(outputs_->description());
    if (labels_) check_labels_shape(labels_->description());
    const auto declared = outputs_->description().shape[0];
    if (labels_ && declared >= 0 && labels_->description().shape[0] >= 0) {
      compare_rows(declared, labels_->description().shape[0]);
    }
    content_.set = split.set;
    content_.n_classes = outputs_->description().shape[1];
    content_.float64 = record.outputs == Outputs::Probabilities &&
                       (outputs_->description().kind == NumberKind::Float64 ||
                        outputs_->description().kind == NumberKind::Text);
  }

  /// `expected`: what the first reading found, for the second.
  SplitContent read(const Destination& to, const SplitContent* expected) {
    if (to.writer != nullptr) {
      to.writer->begin_outputs(to.trial, split_.set, expected->n_rows, expected->float64);
    }
    content_.outputs_sha256 =
        content_.float64 ? read_outputs<double>(to, expected) : read_outputs<float>(to, expected);
    if (!labels_) return content_;
    if (to.writer != nullptr) to.writer->begin_labels(split_.set, expected->n_rows);
    content_.labels_sha256 = read_labels(to);
    return content_;
  }

 private:
  void compare_rows(std::int64_t n_outputs, std::int64_t n_labels) const {
    if (n_outputs == n_labels) return;
    throw FormatError(
        fmt::format("{} has {} rows, but {} has {} labels: row i of both must be the "
                    "same input",
                    outputs_->name(), n_outputs, labels_->name(), n_labels));
  }

  void expect_room(const Destination& to, const SplitContent* expected, std::int64_t n) const {
    if (to.writer != nullptr && n > expected->n_rows) refuse_change(outputs_->name());
  }

  [[noreturn]] static void refuse_change(const std::string& name) {
    throw FormatError(name + " changed while it was imported: import again when it is complete");
  }

  template <class Stored>
  std::string read_outputs(const Destination& to, const SplitContent* expected) {
    Sha256 sum;
    OutputChecks checks(*outputs_, record_);
    std::vector<double> values;
    std::vector<Stored> stored;
    const auto n_rows = std::max<std::int64_t>(1, kValuesPerBlock / content_.n_classes);
    while (const auto n = outputs_->read(static_cast<std::size_t>(n_rows), values)) {
      checks.check_rows(values, content_.n_rows);
      content_.n_rows += static_cast<std::int64_t>(n);
      stored.assign(values.size(), Stored{});
      std::transform(values.begin(), values.end(), stored.begin(),
                     [](double v) { return static_cast<Stored>(v); });
      sum.update(stored.data(), stored.size() * sizeof(Stored));
      expect_room(to, expected, content_.n_rows);
      if (to.writer != nullptr) to.writer->append_outputs(std::span<const Stored>(stored));
    }
    checks.finish(content_.n_rows);
    content_.suspicious_logits = checks.are_suspicious_logits();
    if (expected != nullptr && content_.n_rows != expected->n_rows) refuse_change(outputs_->name());
    return sum.hex();
  }

  std::string read_labels(const Destination& to) {
    Sha256 sum;
    std::vector<std::int64_t> values;
    std::vector<std::int32_t> stored;
    std::int64_t n_labels = 0;
    while (const auto n = labels_->read(static_cast<std::size_t>(kValuesPerBlock), values)) {
      check_labels(*labels_, values, n_labels, content_.n_classes);
      n_labels += static_cast<std::int64_t>(n);
      if (n_labels > content_.n_rows) continue;  // counted to the end, then refused
      stored.assign(values.size(), 0);
      std::transform(values.begin(), values.end(), stored.begin(),
                     [](std::int64_t v) { return static_cast<std::int32_t>(v); });
      sum.update(stored.data(), stored.size() * sizeof(std::int32_t));
      if (to.writer != nullptr) to.writer->append_labels(stored);
    }
    compare_rows(content_.n_rows, n_labels);
    return sum.hex();
  }

  const Record& record_;
  const Split& split_;
  std::unique_ptr<ArrayReader> outputs_, labels_;
  SplitContent content_;
};

void check_classes(const Record& record, const RecordContent& content) {
  const auto& first = content.splits.front();
  for (std::size_t i = 1; i < content.splits.size(); ++i) {
    const auto& other = content.splits[i];
    if (other.n_classes == first.n_classes) continue;
    throw FormatError(fmt::format(
        "the outputs of '{}' have {} classes, those of '{}' ({}) have {}: "
        "one network has one number of classes",
        first.set, first.n_classes, other.set, record.splits[i].source, other.n_classes));
  }
}

/// Row i of an ODIN set is row i of the set it perturbs.
void check_odin_rows(const Record& record, const RecordContent& content) {
  for (std::size_t i = 0; i < content.splits.size(); ++i) {
    const auto odin = parse_odin_set(content.splits[i].set);
    if (!odin) continue;
    const auto base = std::find_if(content.splits.begin(), content.splits.end(),
                                   [&](const auto& split) { return split.set == odin->of; });
    if (base == content.splits.end() || base->n_rows == content.splits[i].n_rows) continue;
    throw FormatError(fmt::format(
        "the ODIN logits of '{}' ({}) have {} rows, the set itself has {}: row i of both must be "
        "the same input",
        odin->of, record.splits[i].source, content.splits[i].n_rows, base->n_rows));
  }
}

RecordContent read_all(const Record& record, const std::filesystem::path& folder,
                       const Destination& to, const RecordContent* expected) {
  RecordContent content;
  for (std::size_t i = 0; i < record.splits.size(); ++i) {
    SplitReading reading(record, record.splits[i], folder);
    content.splits.push_back(
        reading.read(to, expected == nullptr ? nullptr : &expected->splits[i]));
    check_classes(record, content);
  }
  check_odin_rows(record, content);
  return content;
}

std::string settings_of(const Record& record, const std::vector<std::string>& axes,
                        const std::string& fingerprint) {
  nlohmann::json cell = nlohmann::json::object();
  for (std::size_t a = 0; a < axes.size(); ++a) {
    std::visit(
        [&](const auto& value) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::vector<std::string>>) {
            cell[axes[a]] = value;
          }
        },
        record.cell[a]);
  }
  const nlohmann::json json = {{"cell", std::move(cell)},
                               {"content_sha256", fingerprint},
                               {"imported", true},
                               {"method", record.method},
                               {"outputs", std::string(to_string(record.outputs))}};
  return json.dump();
}

UnitFileHeader header_of(const Record& record, const RecordContent& content, const UnitId& unit) {
  UnitFileHeader header;
  header.unit = unit;
  header.attempt = 1;
  header.dataset = "imported";
  header.n_classes = content.n_classes();
  for (const auto& split : content.splits) {
    header.fingerprints[split.set] = split.outputs_sha256;
    if (!split.labels_sha256.empty())
      header.fingerprints[split.set + " labels"] = split.labels_sha256;
  }
  // No host and no time: the same import gives the same bytes.
  header.provenance = {std::string(version()), "", "", "", "imported", "", 1};
  header.outputs = record.outputs;
  return header;
}

}  // namespace

std::string RecordContent::fingerprint() const {
  Sha256 sum;
  for (const auto& split : splits) {
    sum.update(fmt::format("{}|{}|{}|{}|{}|{}\n", split.set, split.n_rows, split.n_classes,
                           split.float64 ? "float64" : "float32", split.outputs_sha256,
                           split.labels_sha256));
  }
  return sum.hex();
}

RecordContent check_record(const Record& record, const std::filesystem::path& folder) {
  return read_all(record, folder, {}, nullptr);
}

TrialId trial_id(const Record& record, const std::vector<std::string>& axes,
                 const std::string& fingerprint) {
  return TrialId::of(fmt::format("calsweep imported trial, format 1|{}|outputs={}|content={}",
                                 record.key(axes), to_string(record.outputs), fingerprint));
}

UnitId unit_id(const TrialId& trial) {
  return UnitId::of("calsweep imported unit, format 1|" + trial.str());
}

void write_record(const Record& record, const std::vector<std::string>& axes,
                  const RecordContent& content, const std::filesystem::path& folder,
                  const std::filesystem::path& path) {
  const std::string fingerprint = content.fingerprint();
  TrialRecord trial;
  trial.id = trial_id(record, axes, fingerprint);
  trial.settings = settings_of(record, axes, fingerprint);
  trial.seed = record.seed;
  trial.train_seconds = std::numeric_limits<double>::quiet_NaN();
  UnitFileWriter writer(path, header_of(record, content, unit_id(trial.id)));
  writer.add_trial(trial);
  const auto again = read_all(record, folder, {&writer, trial.id}, &content);
  if (again.splits != content.splits) {
    throw FormatError(
        fmt::format("files of the record {} changed while they were imported: import "
                    "again when they are complete",
                    record.key(axes)));
  }
  writer.seal();
}

}  // namespace calsweep::imported
