// ledger.db made of the input: it opens and can be read and written to, or is refused with one of
// our errors.
#include "orchestrator/ledger.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::orchestrator;

void read_all(const Ledger& ledger) {
  ledger.last_attempt();
  ledger.sealed_units();
  ledger.done_trials();
  ledger.made_stages();
  ledger.n_diverged();
  ledger.knows_unit(UnitId::of("some unit"));
}

// What the start of a run and one unit write.
void write_a_little(Ledger& ledger) {
  PlannedUnit unit;
  unit.id = UnitId::of("a new unit");
  unit.trials = {TrialId::of("a new trial")};
  const Attempt attempt{number(ledger.last_attempt()) + 1};
  ledger.begin();
  ledger.start_run("host", 1);
  ledger.attempt_started(attempt, unit, "host", {AgentId{1}, 0});
  ledger.unit_sealed(unit, {{}, unit.id, attempt, std::string(64, 'a'), 1, 1.0, 0.0, {}});
  ledger.end_run("complete");
  ledger.commit();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzing::ScratchFolder folder;
  const auto file = folder.write("ledger.db", fuzzing::text(data, size));
  fuzzing::only_our_errors([&] {
    Ledger ledger(file);
    read_all(ledger);
    write_a_little(ledger);
    read_all(ledger);
  });
  std::filesystem::remove(folder.path() / "ledger.db-journal");
  return 0;
}
