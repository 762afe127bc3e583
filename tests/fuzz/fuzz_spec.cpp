// Spec files: whatever the text, parse_spec answers with a spec or with mistakes, and a spec of
// bearable size can be expanded and packed into units.
#include "sweeps/sweep.hpp"
#include "sweeps/unit.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;

constexpr double kMostReplicates = 2000;
constexpr std::size_t kMostValues = 2000;

double n_replicates(const Spec& spec) {
  double n = static_cast<double>(spec.seeds.size() * spec.methods.size());
  for (const Axis& axis : spec.axes) n *= static_cast<double>(axis.values.size());
  for (const Method& method : spec.methods) {
    if (method.ensemble) n *= static_cast<double>(method.ensemble->size);
  }
  return n;
}

DataInventory made_up_data() {
  DataInventory data;
  for (const char* name : {"fashion-mnist", "mnist", "cifar-10"}) {
    data.sets[name] = {name, "/nowhere", std::string(64, 'a')};
  }
  return data;
}

void expand_and_pack(Spec spec) {
  const Sweep sweep = expand(std::move(spec), made_up_data());
  const auto units = pack_units(
      sweep, {}, [](const TrialId&) { return false; }, [](const StageId&) { return false; });
  std::size_t n_trials = 0;
  for (const WorkUnit& unit : units) {
    if (unit.kind == UnitKind::Trials) n_trials += unit.n_networks();
  }
  // Every trial is in exactly one unit.
  if (n_trials != sweep.trials.size()) std::abort();
  if (!units.empty()) WorkUnit::from_json(units.front().to_json());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto parsed = parse_spec(fuzzing::text(data, size), "fuzz.toml");
  if (const auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed)) {
    if (mistakes->empty()) std::abort();
    for (const Diagnostic& mistake : *mistakes) mistake.str();
    return 0;
  }
  auto& spec = std::get<Spec>(parsed);
  std::size_t n_values = spec.seeds.size();
  for (const Exclusion& exclusion : spec.exclusions) n_values += exclusion.matches.size();
  if (n_replicates(spec) <= kMostReplicates && n_values <= kMostValues) {
    expand_and_pack(std::move(spec));
  }
  return 0;
}
