// `calsweep doctor [DIR]`.
#include <fmt/core.h>

#include <utility>

#include "cli/commands.hpp"
#include "orchestrator/doctor.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::cli {
namespace {

// "/a/b" for "/a/b/", which is also what an absolute "." is.
fs::path absolute_folder(const fs::path& given) {
  const fs::path folder = fs::absolute(given.empty() ? "." : given).lexically_normal();
  return folder.has_filename() || !folder.has_relative_path() ? folder : folder.parent_path();
}

// Where a run directory would be made. Throws UsageError if a file is in its way.
fs::path nearest_folder(fs::path folder) {
  std::error_code ignored;
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) {
    if (fs::exists(folder, ignored)) {
      throw UsageError(fmt::format(
          "{} is a file: give the folder in which a run directory is or will be", folder.string()));
    }
    folder = folder.parent_path();
  }
  return folder;
}

std::vector<orchestrator::Finding> storage_findings(const fs::path& wanted, const fs::path& folder,
                                                    std::vector<orchestrator::Finding> shared) {
  std::vector<orchestrator::Finding> findings;
  if (wanted != folder) {
    findings.push_back(
        {orchestrator::Verdict::Ok, "directory",
         fmt::format("{} does not exist yet; testing {}", wanted.string(), folder.string()), ""});
  }
  auto storage = orchestrator::examine_storage(folder);
  findings.insert(findings.end(), storage.begin(), storage.end());
  findings.insert(findings.end(), shared.begin(), shared.end());
  return findings;
}

fs::path trainer_beside_this_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path() / "calsweep-trainer";
}

}  // namespace

int doctor(const fs::path& directory, bool json) {
  const fs::path wanted = absolute_folder(directory);
  const fs::path folder = nearest_folder(wanted);
  const auto environment = orchestrator::this_environment();
  orchestrator::Launch launch(environment);
  auto shared = orchestrator::examine_file_sharing(folder, launch);
  if (launch.rank() != 0) return launch.leave(kExitDone);
  auto storage = storage_findings(wanted, folder, std::move(shared));
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
