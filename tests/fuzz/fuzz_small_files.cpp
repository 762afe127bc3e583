// The JSON files of a run directory: status.json, lock.json and data.json.
#include "orchestrator/run_lock.hpp"
#include "orchestrator/status_file.hpp"
#include "sweeps/log.hpp"
#include "sweeps/run_directory.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::orchestrator;

void read_as_status(const RunDirectory& run) {
  const RunStatus status = read_status(run);
  status_json(status);
  format_status(status, 2e9);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fuzzing::only_our_errors;
  static const fuzzing::ScratchFolder folder;
  static const bool quiet = (log::set_up("fuzz", log::Level::Off), true);
  static_cast<void>(quiet);
  const auto text = fuzzing::text(data, size);
  const RunDirectory run(folder.path());
  folder.write("status.json", text);
  only_our_errors([&] { read_as_status(run); });
  for (const bool take_over : {false, true}) {
    const auto lock = folder.write("lock.json", text);
    only_our_errors([&] { RunLock(lock, {take_over, 0.0, 0.0, 60.0, 0.0}).beat(); });
  }
  only_our_errors([&] { DataInventory::from_json(DataInventory::from_json(text).to_json()); });
  return 0;
}
