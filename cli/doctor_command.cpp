// `calsweep doctor [DIR]`.
#include <fmt/core.h>

#include "cli/commands.hpp"
#include "orchestrator/doctor.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::cli {
namespace {

fs::path nearest_folder(fs::path folder) {
  folder = fs::absolute(folder).lexically_normal();
  std::error_code ignored;
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

fs::path trainer_beside_this_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path() / "calsweep-trainer";
}

}  // namespace

int doctor(const fs::path& directory, bool json) {
  const auto environment = orchestrator::this_environment();
  orchestrator::Launch launch(environment);
  const fs::path folder = nearest_folder(directory.empty() ? fs::path(".") : directory);
  auto shared = orchestrator::examine_file_sharing(folder, launch);
  if (launch.rank() != 0) return launch.leave(kExitDone);
  auto storage = orchestrator::examine_storage(folder);
  storage.insert(storage.end(), shared.begin(), shared.end());
  // Launchers are not tried from inside a launcher's task.
  const std::vector<orchestrator::FindingGroup> groups = {
      {"launch",
       launch.under_mpi()
           ? std::vector<orchestrator::Finding>{{orchestrator::Verdict::Ok, "MPI",
                                                 fmt::format("connects {} ranks", launch.size()),
                                                 ""}}
           : orchestrator::examine_launch(environment)},
      {fmt::format("storage: {}", folder.string()), std::move(storage)},
      {"machine", orchestrator::examine_machine()},
      {"software", orchestrator::examine_software(trainer_beside_this_program())}};
  fmt::print("{}",
             json ? orchestrator::findings_json(groups) : orchestrator::format_findings(groups));
  return launch.leave(orchestrator::has_failure(groups) ? kExitFailures : kExitDone);
}

}  // namespace calsweep::cli
