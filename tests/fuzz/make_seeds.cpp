// Writes the seed corpora: small files as our own code makes them. The result is checked in under
// corpus/; run it again when a format changes:
//
//   build/fuzz/bin/make-fuzz-seeds tests/fuzz/corpus
#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/core.h>

#include "orchestrator/ledger.hpp"
#include "orchestrator/messages.hpp"
#include "orchestrator/run_lock.hpp"
#include "orchestrator/status_file.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/trainer_protocol.hpp"
#include "sweeps/unit_file.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::orchestrator;

constexpr const char* kSpec = R"(name = "small"
seeds = 3
[data]
dataset = "fashion-mnist"
ood = ["mnist?"]
[execution]
fuse = 2
[grid]
model.depth = [2, 4]
data.size = [500, 2000]
exclude = [{ method = "mixup", model.depth = 4 }]
[methods.baseline]
[methods.warm-up]
noise_warmup = { samples = 1280 }
[methods.mixup]
mixup = true
[methods.ensemble]
ensemble = { of = "baseline", size = 2 }
[analysis]
reference = "baseline"
)";

std::vector<WorkUnit> some_units() {
  auto parsed = parse_spec(kSpec, "seed.toml");
  if (auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed)) {
    throw UsageError(mistakes->front().str());
  }
  DataInventory data;
  data.sets["fashion-mnist"] = {"fashion-mnist", "/data/fashion-mnist", std::string(64, 'a')};
  const Sweep sweep = expand(std::get<Spec>(std::move(parsed)), std::move(data));
  PackingOptions packing;
  packing.flops_per_unit = 1.0;
  return pack_units(
      sweep, packing, [](const TrialId&) { return false; }, [](const StageId&) { return false; });
}

void write(const fs::path& folder, const std::string& name, std::string_view content) {
  fs::create_directories(folder);
  write_file_atomically(folder / name, content);
}

void write_messages(const fs::path& folder, const WorkUnit& unit) {
  const SlotId slot{AgentId{1}, 2};
  const Attempt attempt{41};
  const std::vector<TrialId> diverged{TrialId::of("a"), TrialId::of("b")};
  write(folder, "hello", encode(Hello{kWireVersion, "0.1.0+abc", "node1", 77, 4, "cuda", ""}));
  write(folder, "events",
        encode(Event(SlotReady{slot, "cuda NVIDIA H100"})) +
            encode(Event(UnitProgress{slot, unit.id, attempt, 0.25, "epoch 3"})) +
            encode(Event(UnitDone{slot, unit.id, attempt, std::string(64, 'b'), 9, 1.5, 0.5,
                                  diverged})) +
            encode(Event(UnitStopped{slot, unit.id, attempt, 0.5})) +
            encode(Event(UnitFailed{slot, unit.id, attempt, FailureKind::OutOfMemory, "killed",
                                    "last words"})) +
            encode(Event(SlotUnusable{slot, "no GPU"})) + encode(Event(AgentAlive{})) +
            encode(Bye{}));
  write(folder, "commands",
        encode(ToAgent(Welcome{"/runs/small", "/bin/calsweep-trainer", "/data", "{}", 120.0, 60.0,
                               2, false})) +
            encode(ToAgent(Assign{2, unit.id, attempt, unit.to_json()})) +
            encode(ToAgent(Cancel{2, unit.id, attempt})) + encode(ToAgent(Reset{})) +
            encode(ToAgent(Alive{})) + encode(ToAgent(Goodbye{})));
  write(folder, "unit", unit.to_json());
  write(folder, "settings", unit.stacks.front().settings.canonical());
  write(folder, "train", encode(TrainCommand{attempt, unit, "/runs/small", "/data", "{}", 60.0}));
  write(folder, "reply-hello", encode(TrainerReply(TrainerHello{"cpu", "2.13.0"})));
  write(folder, "reply-progress",
        encode(TrainerReply(TrainerProgress{unit.id, 1, 2, 0.5, "epoch 1"})));
  write(folder, "reply-done", encode(TrainerReply(TrainerDone{
                                  unit.id, attempt, std::string(64, 'c'), 9, 1.0, 0.0, diverged})));
  write(folder, "reply-stopped", encode(TrainerReply(TrainerStopped{unit.id, attempt, 0.5})));
  write(folder, "reply-failed", encode(TrainerReply(TrainerFailed{
                                    unit.id, attempt, FailureKind::Data, "no such file"})));
}

void write_ledger(const fs::path& folder, const fs::path& scratch,
                  const std::vector<WorkUnit>& units) {
  const fs::path file = scratch / "ledger.db";
  {
    Ledger ledger(file);
    ledger.begin();
    ledger.start_run("node1", 77);
    std::int64_t attempt = 0;
    for (const WorkUnit& unit : units) {
      const PlannedUnit plan{unit.id, unit.kind, unit.flops, unit.shape, {},
                             {StageId::of("s")}, {TrialId::of("t")}};
      ledger.attempt_started(Attempt{++attempt}, plan, "node1", {AgentId{1}, 0});
      if (attempt == 2) ledger.attempt_ended(Attempt{2}, AttemptEnd::Failed, "killed", "words");
      if (attempt == 2) ledger.set_aside(plan, "killed", "words");
      if (attempt != 2) {
        ledger.unit_sealed(plan, {{}, unit.id, Attempt{attempt}, std::string(64, 'd'), 9, 1.0, 0.0,
                                  {TrialId::of("t")}});
      }
      if (attempt == 4) break;
    }
    ledger.event(NoteLevel::Warning, "something happened");
    ledger.commit();
  }
  {
    // Pages as small as they come, so that a mutation hits something.
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
    db.exec("PRAGMA page_size = 512");
    db.exec("VACUUM");
  }
  write(folder, "four-units", read_file(file));
}

void write_unit_file(const fs::path& folder, const fs::path& scratch, const WorkUnit& unit) {
  UnitFileHeader header;
  header.unit = unit.id;
  header.attempt = 3;
  header.dataset = "fashion-mnist";
  header.n_classes = 2;
  header.fingerprints = {{"fashion-mnist", std::string(64, 'a')}};
  header.provenance = {"0.1.0", "2.13.0", "", "node1", "cpu", "2026-01-01T00:00:00.000Z", 1};
  UnitFileWriter writer(scratch / "unit.h5", header);
  writer.add_labels("test", std::vector<std::int32_t>{0, 1});
  for (const StackMember& member : unit.stacks.front().members) {
    TrialRecord trial;
    trial.id = member.trial;
    trial.settings = "{}";
    trial.epochs.resize(2);
    trial.logits.push_back({"test", {1.0F, 2.0F, 3.0F, 4.0F}});
    trial.logits.push_back({"ood/mnist", {1.0F, 2.0F}});
    writer.add_trial(trial);
  }
  writer.seal();
  write(folder, "two-trials", read_file(scratch / "unit.h5"));
  // For the files that the target makes itself: decisions, byte by byte.
  write(folder, "no-decisions", "");
  for (char decision = 1; decision < 7; ++decision) {
    write(folder, fmt::format("always-{}", int{decision}), std::string(120, decision));
  }
}

void write_small_files(const fs::path& folder, const fs::path& scratch) {
  RunStatus status;
  status.sweep = "small";
  status.host = "node1";
  status.started_at = status.updated_at = "2026-01-01T00:00:00.000Z";
  status.slots.push_back({"node1", "cpu", 1, 0, true, "0123", "epoch 3", 0.5, 1.0, 2});
  status.set_aside.push_back({"0123", "killed", "words", {"4567"}});
  status.recovered.push_back("a trainer failed");
  write(folder, "status", status_json(status));
  { const RunLock lock(scratch / "lock.json", {}); }
  write(folder, "lock-released", read_file(scratch / "lock.json"));
  const RunLock lock(scratch / "lock.json", {});
  write(folder, "lock-held", read_file(scratch / "lock.json"));
  DataInventory data;
  data.sets["fashion-mnist"] = {"fashion-mnist", "/data/fashion-mnist", std::string(64, 'a')};
  write(folder, "data", data.to_json());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make-fuzz-seeds CORPUS_FOLDER\n");
    return kExitUsage;
  }
  const fs::path corpus = argv[1];
  const fuzzing::ScratchFolder scratch;
  const auto units = some_units();
  const auto& trials = *std::find_if(units.begin(), units.end(), [](const WorkUnit& unit) {
    return unit.kind == UnitKind::Trials && unit.n_networks() == 2;
  });
  write(corpus / "spec", "small", kSpec);
  write_messages(corpus / "messages", trials);
  write_ledger(corpus / "ledger", scratch.path(), units);
  write_unit_file(corpus / "unit_file", scratch.path(), trials);
  write_small_files(corpus / "small_files", scratch.path());
  return kExitDone;
}
