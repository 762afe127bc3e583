// Part of sweep_tables.hpp: which replicates have results, and why the others have none.
#include <fmt/format.h>

#include <set>
#include <unordered_map>
#include <unordered_set>

#include "analysis/analysis_plan.hpp"
#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"

namespace calsweep::analysis {
namespace {

/// Empty text: the network has results; else why not.
class Availability {
 public:
  Availability(SQLite::Database& db, const std::map<std::string, std::string>& problems)
      : problems_(problems) {
    SQLite::Statement trials(db, "SELECT trial_id, outcome, diverged_step FROM trial");
    while (trials.executeStep()) {
      std::string reason;
      if (trials.getColumn(1).getString() != "completed") {
        reason = fmt::format("diverged at step {}", trials.getColumn(2).getInt64());
      }
      trials_.emplace(trials.getColumn(0).getString(), std::move(reason));
    }
    SQLite::Statement ensembles(db, "SELECT predictor_id FROM predictor WHERE kind = 'ensemble'");
    while (ensembles.executeStep()) ensembles_.insert(ensembles.getColumn(0).getString());
  }

  std::string network(const std::string& id) const {
    const auto at = trials_.find(id);
    if (at != trials_.end()) return at->second;
    const auto problem = problems_.find(id);
    if (problem != problems_.end()) return problem->second;
    return "no sealed result: not trained yet, or set aside (see `calsweep status`)";
  }

  std::string ensemble(const std::string& id, const Sweep& sweep,
                       const Replicate& replicate) const {
    for (const auto trial : replicate.trials) {
      const auto& member = sweep.trials[static_cast<std::size_t>(trial)];
      const auto reason = network(member.id.str());
      if (reason.empty()) continue;
      return fmt::format("its network of seed {}, member {}: {}", member.seed, member.member,
                         reason);
    }
    if (ensembles_.contains(id)) return "";
    const auto problem = problems_.find(id);
    return problem != problems_.end() ? problem->second : "its job did not run";
  }

  const std::unordered_set<std::string>& ensembles() const { return ensembles_; }

 private:
  const std::map<std::string, std::string>& problems_;
  std::unordered_map<std::string, std::string> trials_;
  std::unordered_set<std::string> ensembles_;
};

void insert_members(SQLite::Statement& insert, const Replicate& replicate, const Sweep& sweep) {
  for (std::size_t i = 0; i < replicate.trials.size(); ++i) {
    insert.bind(1, replicate.cell);
    insert.bind(2, replicate.method);
    insert.bind(3, replicate.seed);
    insert.bind(4, static_cast<std::int64_t>(i));
    insert.bind(5, sweep.trials[static_cast<std::size_t>(replicate.trials[i])].id.str());
    insert.exec();
    insert.reset();
  }
}

}  // namespace

void write_replicates(SQLite::Database& db, const Sweep& sweep,
                      const std::map<std::string, std::string>& problems) {
  const Availability available(db, problems);
  SQLite::Statement insert(db, "INSERT INTO replicate VALUES (?, ?, ?, ?, ?, ?)");
  SQLite::Statement member(db, "INSERT INTO replicate_member VALUES (?, ?, ?, ?, ?)");
  SQLite::Statement missing(db, "INSERT INTO missing VALUES (?, ?, ?, ?)");
  std::set<std::string> unusable;
  for (const auto& replicate : sweep.replicates) {
    const auto id = predictor_id(sweep, replicate);
    const bool pooled = is_ensemble(sweep, replicate);
    const auto reason = pooled ? available.ensemble(id, sweep, replicate) : available.network(id);
    insert.bind(1, replicate.cell);
    insert.bind(2, replicate.method);
    insert.bind(3, replicate.seed);
    insert.bind(4, sweep.trials[static_cast<std::size_t>(replicate.trials.front())].seed);
    insert.bind(5, id);
    insert.bind(6, reason.empty() ? "analysed" : "missing");
    insert.exec();
    insert.reset();
    insert_members(member, replicate, sweep);
    if (reason.empty()) continue;
    if (pooled && available.ensembles().contains(id)) unusable.insert(id);
    missing.bind(1, replicate.cell);
    missing.bind(2, replicate.method);
    missing.bind(3, replicate.seed);
    missing.bind(4, reason);
    missing.exec();
    missing.reset();
  }
  for (const auto& id : unusable) remove_predictor(db, id);
}

}  // namespace calsweep::analysis
