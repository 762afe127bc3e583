// The sealed unit file: one HDF5 file per unit with the logits of its trials. Format:
// docs/unit-file.md.
//
// The first 512 bytes (HDF5's user block) are text with the SHA-256 of everything behind them, so a
// file proves its own completeness without the ledger. A file appears under its name only when it
// is whole: written as *.partial, flushed, checksummed, fsynced, renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/ids.hpp"

namespace calsweep {

inline constexpr int kUnitFileFormat = 1;  ///< logits
/// Probabilities: a program that knows only format 1 must not take them for logits.
inline constexpr int kUnitFileFormatProbabilities = 2;
inline constexpr int kNewestUnitFileFormat = 2;

/// What the numbers of a file are. Never converted on the way.
enum class Outputs { Logits, Probabilities };
std::string_view to_string(Outputs outputs);

enum class TrialOutcome { Completed, Diverged };

/// Where and with what a unit was made.
struct Provenance {
  std::string calsweep_version, libtorch_version;
  std::string hdf5_version;  ///< filled in by the writer
  std::string host, device;
  std::string started_at;  ///< UTC, ISO 8601
  std::int64_t threads = 1;
};

struct UnitFileHeader {
  UnitId unit;
  std::int64_t attempt = 0;
  std::string dataset;
  std::int64_t n_classes = 0;
  std::map<std::string, std::string> fingerprints;  ///< data set -> SHA-256
  Provenance provenance;
  Outputs outputs = Outputs::Logits;
};

/// One row of the per-epoch record; epoch 0 is before the first task step.
struct EpochRecord {
  std::int64_t epoch = 0;
  double train_loss = 0.0;  ///< mean over the epoch's samples, nats; NaN for epoch 0
  double test_accuracy = 0.0, test_nll = 0.0, test_confidence = 0.0;
  double test_ece_guo2017 = 0.0, test_ece_noise2026 = 0.0;
};

/// Logits of one input set: [n_rows, n_classes] float32, row-major.
struct LogitSet {
  std::string name;  ///< "test", "validation", "ood/mnist"
  std::vector<float> logits;
};

struct TrialRecord {
  TrialId id;
  std::string settings;  ///< Settings::canonical()
  std::int64_t seed = 0, member = 0;
  std::int64_t fused_width = 1;
  TrialOutcome outcome = TrialOutcome::Completed;
  std::int64_t diverged_step = -1;  ///< first step with a non-finite loss
  double train_seconds = 0.0;       ///< wall time of its stack divided by the stack's width
  std::vector<EpochRecord> epochs;
  std::vector<LogitSet> logits;  ///< empty for a diverged trial
};

class UnitFileWriter {
 public:
  /// Opens "<path>.<attempt>.partial". Throws IoError.
  UnitFileWriter(std::filesystem::path path, const UnitFileHeader& header);
  ~UnitFileWriter();  ///< an unsealed file is removed
  UnitFileWriter(const UnitFileWriter&) = delete;
  UnitFileWriter& operator=(const UnitFileWriter&) = delete;

  /// Labels of "test" or "validation", shared by all trials of the file; each in [0, n_classes).
  /// Throws IoError, as all that writes.
  void add_labels(const std::string& set, std::span<const std::int32_t> labels);
  void add_trial(const TrialRecord& trial);

  /// Large sets come in blocks of whole rows: begin one, append all its rows, begin the next. The
  /// trial must have been added before. `float64`: stored as such, not as float32.
  void begin_labels(const std::string& set, std::int64_t n_rows);
  void append_labels(std::span<const std::int32_t> labels);
  void begin_outputs(const TrialId& id, const std::string& set, std::int64_t n_rows, bool float64);
  /// [n, n_classes] row-major; converted to what the set is stored as.
  void append_outputs(std::span<const float> rows);
  void append_outputs(std::span<const double> rows);

  /// Makes it complete and visible; returns the SHA-256 in its user block. Throws IoError.
  std::string seal();

 private:
  void write_trial(const TrialRecord& trial);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class UnitFileReader {
 public:
  /// Opens and, if asked, verifies the checksum. Throws FormatError for a file that is truncated,
  /// damaged, of another format version or no unit file; IoError if it cannot be read.
  explicit UnitFileReader(std::filesystem::path path, bool verify_checksum = true);
  ~UnitFileReader();
  UnitFileReader(UnitFileReader&&) noexcept;

  const UnitFileHeader& header() const;
  const std::string& checksum() const;  ///< as written in the user block
  std::vector<TrialId> trials() const;  ///< sorted
  /// Everything but the logits.
  TrialRecord trial(const TrialId& id) const;
  /// Names of the logit sets a trial has, sorted.
  std::vector<std::string> logit_sets(const TrialId& id) const;
  /// What the file holds for its trials, under logit_sets(): logits(), or probabilities().
  Outputs outputs() const;
  std::int64_t n_rows(const TrialId& id, const std::string& set) const;
  /// [n, n_classes] row-major. Throws FormatError if absent, damaged or not what outputs() says.
  std::vector<float> logits(const TrialId& id, const std::string& set) const;
  /// Rows [first_row, first_row + n_rows) only; they must be there.
  std::vector<float> logits(const TrialId& id, const std::string& set, std::int64_t first_row,
                            std::int64_t n_rows) const;
  /// The same for a file of probabilities; float32 ones are widened.
  std::vector<double> probabilities(const TrialId& id, const std::string& set) const;
  std::vector<double> probabilities(const TrialId& id, const std::string& set,
                                    std::int64_t first_row, std::int64_t n_rows) const;
  std::vector<std::int32_t> labels(const std::string& set) const;
  std::vector<std::int32_t> labels(const std::string& set, std::int64_t first_row,
                                   std::int64_t n_rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// True if the file's content matches the checksum in its user block. Never throws for damage.
bool unit_file_is_intact(const std::filesystem::path& path);

/// True if the file is a unit file of this format and of the size it says, but with other content:
/// damage that a look at its size cannot find.
bool unit_file_belies_its_checksum(const std::filesystem::path& path);

}  // namespace calsweep
