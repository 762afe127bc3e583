#include "analysis/results/previous_results.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdint>
#include <fstream>

#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/version.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::size_t kHeaderBytes = 100;  // https://www.sqlite.org/fileformat.html, 1.3
constexpr std::size_t kUserVersionAt = 60;
constexpr std::size_t kApplicationIdAt = 68;

std::int64_t big_endian(const std::string& bytes, std::size_t at) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value * 256 + static_cast<unsigned char>(bytes[at + i]);
  return value;
}

}  // namespace

std::string predictor_options(const AnalysisOptions& options) {
  return fmt::format("calibrators {}; {} folds; {} resamples; conformal alpha {}",
                     fmt::join(options.calibrators, " "), options.cross_fitting_folds,
                     options.resamples, options.conformal_alpha);
}

std::string written_by() { return "calsweep " + std::string(version()); }

ResultsFileState results_file_state(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error == std::errc::no_such_file_or_directory) return ResultsFileState::Absent;
  if (!error && size == 0) return ResultsFileState::Absent;
  std::ifstream in(file, std::ios::binary);
  std::string header(kHeaderBytes, '\0');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (!in && !in.eof()) {
    throw IoError(fmt::format("cannot read {}; check its permissions", file.string()));
  }
  if (!header.starts_with("SQLite format 3") ||
      big_endian(header, kApplicationIdAt) != kResultsApplicationId) {
    throw UsageError(
        fmt::format("{} is no results database of calsweep; move it away, or name "
                    "another run directory",
                    file.string()));
  }
  const auto version = big_endian(header, kUserVersionAt);
  if (version > kResultsSchema) {
    throw UsageError(
        fmt::format("{} has schema {}, this calsweep knows up to {}; use the newer "
                    "calsweep that wrote it, or delete it (it is rebuilt from the unit "
                    "files)",
                    file.string(), version, kResultsSchema));
  }
  return version == kResultsSchema ? ResultsFileState::Current : ResultsFileState::Older;
}

PreviousResults read_previous_results(const std::filesystem::path& file) {
  PreviousResults previous;
  if (results_file_state(file) != ResultsFileState::Current) return previous;
  try {
    const SQLite::Database db(file.string(), SQLite::OPEN_READONLY);
    SQLite::Statement trials(db, "SELECT trial_id, unit_id, unit_checksum FROM provenance");
    while (trials.executeStep()) {
      previous.trials.emplace(TrialId::from_hex(trials.getColumn(0).getString()),
                              KnownTrial{UnitId::from_hex(trials.getColumn(1).getString()),
                                         trials.getColumn(2).getString()});
    }
    SQLite::Statement ensembles(db, "SELECT predictor_id FROM predictor WHERE kind = 'ensemble'");
    while (ensembles.executeStep()) previous.ensembles.insert(ensembles.getColumn(0).getString());
    SQLite::Statement meta(db, "SELECT key, value FROM meta");
    while (meta.executeStep()) {
      const auto key = meta.getColumn(0).getString();
      const auto value = meta.getColumn(1).getString();
      if (key == "predictor_options") previous.predictor_options = value;
      if (key == "spec") previous.spec = value;
      if (key == "written_by") previous.written_by = value;
    }
    SQLite::Statement damaged(db, "SELECT count(*) FROM damaged_file");
    if (damaged.executeStep()) previous.n_damaged = damaged.getColumn(0).getInt64();
    previous.usable = true;
  } catch (const std::exception& error) {
    log::warning(fmt::format("{} is damaged ({}): everything is analysed again", file.string(),
                             error.what()));
    return {};
  }
  return previous;
}

}  // namespace calsweep::analysis
