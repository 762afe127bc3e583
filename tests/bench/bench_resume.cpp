// Makes run directories that look as after a long run, and measures the ledger on them. Driven by
// resume_time.py
//
//   bench-resume make SPEC DIRECTORY NETWORKS_PER_UNIT   every trial of SPEC finished: sealed unit
//       files with made-up logits, stage files, the ledger written as the dispatch loop does
//   bench-resume ledger DIRECTORY COMPLETIONS TRIALS_PER_UNIT   cost of one completion on a copy of the
//       directory's ledger, with one completion per transaction and with 64
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include "orchestrator/ledger.hpp"
#include "orchestrator/utc_time.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/unit_file.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::orchestrator;

constexpr std::size_t kUnitsPerTransaction = 64;

TrialRecord made_up_trial(const Stack& stack, const StackMember& member) {
  TrialRecord record;
  record.id = member.trial;
  record.settings = stack.settings.canonical();
  record.seed = member.seed;
  record.member = member.member;
  const auto x = static_cast<float>(member.seed);
  record.logits.push_back({"test", {x, 1.0F, 2.0F, x, 0.0F, -x, x, x}});
  return record;
}

UnitDone seal(const RunDirectory& run, const WorkUnit& unit, Attempt attempt) {
  UnitDone done{{}, unit.id, attempt, "", 0, 1.0, 0.0, {}};
  if (unit.kind == UnitKind::Stage) {
    for (const Stack& stack : unit.stacks) {
      for (const StackMember& member : stack.members) {
        write_file_atomically(run.stage(member.stage), "warmed up");
      }
    }
    return done;
  }
  UnitFileHeader header;
  header.unit = unit.id;
  header.attempt = number(attempt);
  header.dataset = "fashion-mnist";
  header.n_classes = 2;
  UnitFileWriter writer(run.unit(unit.id), header);
  writer.add_labels("test", std::vector<std::int32_t>{0, 1, 0, 1});
  for (const Stack& stack : unit.stacks) {
    for (const StackMember& member : stack.members) writer.add_trial(made_up_trial(stack, member));
  }
  done.checksum = writer.seal();
  done.bytes = static_cast<std::int64_t>(fs::file_size(run.unit(unit.id)));
  return done;
}

void make(const fs::path& spec_file, const RunDirectory& run, std::size_t networks_per_unit) {
  for (const fs::path& folder : {run.root(), run.units(), run.stages(), run.logs()}) {
    fs::create_directories(folder);
  }
  Spec spec = load_spec(spec_file);
  DataInventory data = take_inventory(spec);
  write_file_atomically(run.data(), data.to_json());
  write_file_atomically(run.spec(), spec.source_text);
  const Sweep sweep = expand(std::move(spec), std::move(data));
  const PackingOptions packing{std::numeric_limits<double>::infinity(), networks_per_unit, {}};
  const auto units = pack_units(
      sweep, packing, [](const TrialId&) { return false; }, [](const StageId&) { return false; });
  Ledger ledger(run.ledger());
  ledger.begin();
  ledger.start_run(host_name(), ::getpid());
  ledger.commit();
  std::int64_t attempt = 0;
  for (std::size_t first = 0; first < units.size(); first += kUnitsPerTransaction) {
    ledger.begin();
    for (std::size_t i = first; i < std::min(first + kUnitsPerTransaction, units.size()); ++i) {
      const PlannedUnit plan = planned(units[i]);
      ledger.attempt_started(Attempt{++attempt}, plan, host_name(), {AgentId{1}, 0});
      ledger.unit_sealed(plan, seal(run, units[i], Attempt{attempt}));
    }
    ledger.commit();
  }
  ledger.begin();
  ledger.end_run("complete");
  ledger.commit();
  fmt::print("{{\"trials\": {}, \"units\": {}, \"ledger_bytes\": {}}}\n", sweep.trials.size(),
             units.size(), fs::file_size(run.ledger()));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

PlannedUnit made_up_unit(int i, std::size_t n_trials) {
  PlannedUnit unit;
  unit.id = UnitId::of(fmt::format("completion {}", i));
  unit.shape = "mlp, depth 2";
  unit.flops = 1e9;
  for (std::size_t t = 0; t < n_trials; ++t) {
    unit.trials.push_back(TrialId::of(fmt::format("completion {}, trial {}", i, t)));
  }
  return unit;
}

struct Cost {
  double wall_us = 0.0, cpu_us = 0.0;  // per completion
};

// One completion: its attempt opened in one transaction, closed with its contents in a later one.
Cost completions(Ledger& ledger, std::int64_t& attempt, std::span<const PlannedUnit> units,
                 std::size_t per_transaction) {
  const double wall = steady_seconds(), cpu = cpu_seconds();
  for (std::size_t first = 0; first < units.size(); first += per_transaction) {
    const auto batch = units.subspan(first, std::min(per_transaction, units.size() - first));
    ledger.begin();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      ledger.attempt_started(Attempt{attempt + 1 + static_cast<std::int64_t>(i)}, batch[i],
                             host_name(), {AgentId{1}, 0});
    }
    ledger.commit();
    ledger.begin();
    for (const PlannedUnit& unit : batch) {
      ledger.unit_sealed(unit,
                         {{}, unit.id, Attempt{++attempt}, std::string(64, 'a'), 1, 1.0, 0.0, {}});
    }
    ledger.commit();
  }
  const auto n = static_cast<double>(units.size());
  return {1e6 * (steady_seconds() - wall) / n, 1e6 * (cpu_seconds() - cpu) / n};
}

void measure_ledger(const RunDirectory& run, int n, std::size_t trials_per_unit) {
  const fs::path copy = run.root() / "ledger-copy.db";
  fs::copy_file(run.ledger(), copy, fs::copy_options::overwrite_existing);
  {
    Ledger ledger(copy);
    std::int64_t attempt = number(ledger.last_attempt());
    ledger.begin();
    ledger.start_run(host_name(), ::getpid());
    ledger.commit();
    std::vector<PlannedUnit> units;
    for (int i = 0; i < 2 * n; ++i) units.push_back(made_up_unit(i, trials_per_unit));
    const auto half = static_cast<std::size_t>(n);
    const Cost one = completions(ledger, attempt, std::span(units).first(half), 1);
    const Cost many =
        completions(ledger, attempt, std::span(units).subspan(half), kUnitsPerTransaction);
    fmt::print(
        "{{\"one_wall_us\": {:.1f}, \"one_cpu_us\": {:.1f}, \"many_wall_us\": {:.1f}, "
        "\"many_cpu_us\": {:.1f}}}\n",
        one.wall_us, one.cpu_us, many.wall_us, many.cpu_us);
  }
  fs::remove(copy);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string task = argc == 5 ? argv[1] : "";
  try {
    if (task == "make") {
      make(argv[2], RunDirectory(argv[3]), static_cast<std::size_t>(std::atoi(argv[4])));
    } else if (task == "ledger") {
      measure_ledger(RunDirectory(argv[2]), std::atoi(argv[3]),
                     static_cast<std::size_t>(std::atoi(argv[4])));
    } else {
      fmt::print(stderr,
                 "usage: bench-resume make SPEC DIRECTORY NETWORKS_PER_UNIT\n"
                 "       bench-resume ledger DIRECTORY COMPLETIONS TRIALS_PER_UNIT\n");
      return kExitUsage;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return kExitInternal;
  }
  return kExitDone;
}
