// Makes ledger and files agree before a run starts.
//
// The sealed unit file is the truth. A ledger that is missing or damaged is made anew from the
// files; a file the ledger does not know is verified by its checksum and taken up; a file the
// ledger knows is checked by name and size, and when it is gone or damaged its trials are done
// again. Nothing is deleted but half-written *.partial files: what is damaged goes to quarantine/.
#pragma once

#include <memory>
#include <unordered_set>

#include "orchestrator/ledger.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::orchestrator {

/// What need not be trained again.
struct DoneSet {
  std::unordered_set<TrialId> trials;
  std::unordered_set<StageId> stages;
};

/// Opens ledger.db; a damaged one is moved to quarantine/ and a new one made, with a message.
std::unique_ptr<Ledger> open_ledger(const RunDirectory& run);

/// Compares ledger and files, repairs the ledger (one transaction), says what was found, and
/// returns what is done. Call inside no transaction, with the run lock held, before start_run().
DoneSet reconcile(Ledger& ledger, const RunDirectory& run);

/// What is left of them once every trial is done belongs to nobody.
void remove_checkpoints(const RunDirectory& run);

}  // namespace calsweep::orchestrator
