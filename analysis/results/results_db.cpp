#include "analysis/results/results_db.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "analysis/results/previous_results.hpp"
#include "analysis/results/results_reader.hpp"
#include "analysis/results/results_schema.hpp"
#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// Held while results.db is written; gone with the process. Where a file system cannot lock (some
/// network ones), two analyses at once are the user's to avoid.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory)
      : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0) {
      throw IoError(fmt::format("cannot open the run directory {}: {}", directory.string(),
                                std::strerror(errno)));
    }
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd_);
      throw UsageError(fmt::format("another analysis of {} is running; wait until it has ended",
                                   directory.string()));
    }
  }
  ~DirectoryLock() { ::close(fd_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int fd_;
};

fs::path partial_file(const RunDirectory& run) {
  fs::path file = run.results();
  file += ".partial";
  return file;
}

fs::path fresh(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  return file;
}

/// Leaves out what follows from a damaged file: its networks, and the ensembles they belong to.
std::vector<AnalysisProblem> root_problems(const std::vector<AnalysisProblem>& problems) {
  std::set<std::string> damaged;
  for (const auto& problem : problems) {
    if (problem.predictor.empty()) damaged.insert(problem.file);
  }
  std::vector<AnalysisProblem> roots;
  for (const auto& problem : problems) {
    const bool follows = problem.file.empty() ? !damaged.empty() : damaged.contains(problem.file);
    if (problem.predictor.empty() || !follows) roots.push_back(problem);
  }
  return roots;
}

std::int64_t count(SQLite::Database& db, const std::string& from) {
  return db.execAndGet("SELECT count(*) FROM " + from).getInt64();
}

AnalysisReport counted_report(SQLite::Database& db, const Sweep& sweep) {
  AnalysisReport report;
  report.n_networks = count(db, "trial");
  report.n_diverged = count(db, "trial WHERE outcome = 'diverged'");
  report.n_ensembles = count(db, "predictor WHERE kind = 'ensemble'");
  report.n_replicates = static_cast<std::int64_t>(sweep.replicates.size());
  report.n_missing = count(db, "missing");
  return report;
}

}  // namespace

struct ResultsDb::Impl {
  Impl(const Sweep& sweep_in, const RunDirectory& run_in, const AnalysisPlan& plan)
      : sweep(sweep_in),
        run(run_in),
        lock(run.root()),
        file(partial_file(run)),
        problems(plan.problems) {
    results_file_state(run.results());  // throws if it is not ours to replace
    guarded("create", [&] { open(plan); });
  }
  ~Impl() {
    writer.reset();
    db.reset();
    std::error_code ignored;
    if (!finished) fs::remove(file, ignored);
  }

  void open(const AnalysisPlan& plan) {
    db = std::make_unique<SQLite::Database>(fresh(file).string(),
                                            SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    // The file is worthless until it is renamed: no journal, and one sync at the end.
    db->exec("PRAGMA journal_mode = OFF");
    db->exec("PRAGMA synchronous = OFF");
    db->exec(fmt::format("PRAGMA application_id = {}", kResultsApplicationId));
    db->exec(fmt::format("PRAGMA user_version = {}", kResultsSchema));
    db->exec(tables_sql(sweep));
    copy_kept_rows(*db, run.results(), plan);
    const auto kept = static_cast<std::int64_t>(plan.kept_trials.size());
    if (count(*db, "trial") != kept) {
      throw UsageError(fmt::format("{} changed while the analysis was planned: run it again",
                                   run.results().string()));
    }
    db->exec("BEGIN");
    writer = std::make_unique<PredictorWriter>(*db);
    write_declarations(*db, sweep);
  }

  template <class Action>
  void guarded(const char* what, Action action) const {
    try {
      action();
    } catch (const SQLite::Exception& error) {
      throw IoError(
          fmt::format("cannot {} {}: {}; check that the disk has room and that the "
                      "directory is writable, then analyse again (results.db is as it was)",
                      what, file.string(), error.what()));
    }
  }

  void store(const ResultsLine& line) {
    if (const auto* problem = std::get_if<AnalysisProblem>(&line)) {
      problems.push_back(*problem);
    } else {
      writer->write(std::get<PredictorResult>(line));
    }
  }

  void write_damaged_files() {
    SQLite::Statement insert(*db, "INSERT OR REPLACE INTO damaged_file VALUES (?, ?)");
    for (const auto& problem : problems) {
      if (!problem.predictor.empty()) continue;
      insert.bind(1, problem.file);
      insert.bind(2, problem.message);
      insert.exec();
      insert.reset();
    }
  }

  AnalysisReport finish() {
    std::sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) {
      return std::tie(a.file, a.predictor, a.message) < std::tie(b.file, b.predictor, b.message);
    });
    std::map<std::string, std::string> by_predictor;
    for (const auto& problem : problems) by_predictor.emplace(problem.predictor, problem.message);
    write_damaged_files();
    write_replicates(*db, sweep, by_predictor);
    write_statistics(*db, sweep);
    auto report = counted_report(*db, sweep);
    report.problems = root_problems(problems);
    writer.reset();
    db->exec("COMMIT");
    db.reset();
    return report;
  }

  const Sweep& sweep;
  const RunDirectory& run;
  DirectoryLock lock;
  fs::path file;
  std::vector<AnalysisProblem> problems;
  std::unique_ptr<SQLite::Database> db;
  std::unique_ptr<PredictorWriter> writer;
  bool finished = false;
};

ResultsDb::ResultsDb(const Sweep& sweep, const RunDirectory& run, const AnalysisPlan& plan)
    : impl_(std::make_unique<Impl>(sweep, run, plan)) {}
ResultsDb::~ResultsDb() = default;

void ResultsDb::store(std::span<const ResultsLine> lines) {
  for (const auto& line : lines) {
    impl_->guarded("write", [&] { impl_->store(line); });
  }
}

AnalysisReport ResultsDb::finish() {
  AnalysisReport report;
  impl_->guarded("write", [&] { report = impl_->finish(); });
  sync_file(impl_->file);
  std::error_code error;
  fs::rename(impl_->file, impl_->run.results(), error);
  if (error) {
    throw IoError(
        fmt::format("cannot rename {} into place: {}", impl_->file.string(), error.message()));
  }
  impl_->finished = true;
  sync_file(impl_->run.results());
  return report;
}

AnalysisReport stored_report(const Sweep& sweep, const RunDirectory& run) {
  auto db = open_results(run.results());
  return counted_report(db, sweep);
}

AnalysisReport analyze(const Sweep& sweep, const RunDirectory& run) {
  const auto plan = plan_analysis(sweep, run);
  if (plan.up_to_date) return stored_report(sweep, run);
  ResultsDb db(sweep, run, plan);
  run_jobs(plan.jobs, run, [&](const auto& lines) { db.store(lines); });
  return db.finish();
}

}  // namespace calsweep::analysis
