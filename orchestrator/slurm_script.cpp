#include "orchestrator/slurm_script.hpp"

#include <fmt/core.h>

#include "orchestrator/walltime.hpp"
#include "sweeps/version.hpp"

namespace calsweep::orchestrator {
namespace {

bool is_plain(const std::string& text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                              "WXYZ0123456789_./:=@%+,-") == std::string::npos;
}

std::string shell_quoted(const std::string& text) {
  if (is_plain(text)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// In a #SBATCH line Slurm itself reads quotes, and % begins a placeholder.
std::string sbatch_path(const std::string& folder, const std::string& pattern) {
  std::string path;
  for (const char c : folder) path += c == '%' ? std::string("%%") : std::string(1, c);
  path += pattern;
  if (is_plain(path)) return path;
  std::string quoted = "\"";
  for (const char c : path) quoted += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return quoted + "\"";
}

std::string heading(const std::string& text) {
  const std::string start = "# ---- " + text + " ";
  return "\n" + start + std::string(start.size() < 95 ? 95 - start.size() : 1, '-') + "\n";
}

std::string sbatch(const std::string& option, const std::string& comment = "") {
  const std::string line = "#SBATCH --" + option;
  if (comment.empty()) return line + "\n";
  return fmt::format("{:<43} # {}\n", line, comment);
}

std::string resources(const SlurmJob& job) {
  std::string text = heading("What the job asks for");
  text += sbatch("job-name=" + job.job_name);
  text += sbatch("dependency=singleton", "submitted twice, the second waits for the first");
  if (job.array > 0) {
    text += sbatch(fmt::format("array=1-{}%1", job.array), "one after the other");
  }
  text += sbatch(fmt::format("nodes={}", job.nodes));
  text += sbatch("ntasks-per-node=1", "an agent, which serves the whole share of its node");
  if (!job.gpus_per_node.empty()) text += sbatch("gpus-per-node=" + job.gpus_per_node);
  if (job.exclusive) text += sbatch("exclusive", "whole nodes");
  if (job.cpus_per_task > 0) text += sbatch(fmt::format("cpus-per-task={}", job.cpus_per_task));
  if (!job.memory.empty()) {
    text += sbatch("mem=" + job.memory, job.memory == "0" ? "all memory of a node" : "");
  }
  if (!job.time.empty()) text += sbatch("time=" + slurm_duration(parse_duration(job.time)));
  if (!job.partition.empty()) text += sbatch("partition=" + job.partition);
  if (!job.account.empty()) text += sbatch("account=" + job.account);
  if (!job.qos.empty()) text += sbatch("qos=" + job.qos);
  for (const auto& option : job.sbatch_options) text += "#SBATCH " + option + "\n";
  return text;
}

std::string ending(const SlurmJob& job) {
  std::string text = heading("How it ends and comes back");
  text += sbatch("requeue", "after preemption or the loss of a node");
  if (job.survive_node_loss) text += sbatch("no-kill", "the other nodes go on without a lost one");
  text += sbatch(fmt::format("signal=B:USR1@{}", job.signal_before),
                 "a warning before the end: save and stop");
  text += sbatch("open-mode=append", "one log over all starts");
  const auto folder = (job.directory / "slurm").string();
  text += sbatch("output=" + sbatch_path(folder, job.array > 0 ? "/%A_%a.out" : "/%j.out"));
  return text;
}

std::string settings(const SlurmJob& job) {
  std::string text = heading("What it runs");
  text += fmt::format("calsweep={}\nspec={}\ndirectory={}\n", shell_quoted(job.program.string()),
                      shell_quoted(job.spec.string()), shell_quoted(job.directory.string()));
  if (!job.data_root.empty()) {
    text += fmt::format("export CALSWEEP_DATA={}\n", shell_quoted(job.data_root));
  }
  if (!job.setup.empty()) {
    text += heading("This site's set-up (--setup)");
    for (const auto& line : job.setup) text += line + "\n";
  }
  text += heading("Settings of Open MPI");
  text += "export OMPI_MCA_mpi_yield_when_idle=1   # a waiting rank leaves its core to trainers\n";
  text +=
      "export OMPI_MCA_async_mpi_finalize=1    # a lost rank does not keep others from leaving\n";
  text += "export OMPI_MCA_hwloc_base_binding_policy=none   # trainers choose their own cores\n";
  if (job.launcher == SlurmLauncher::Mpirun) {
    text += "export OMPI_MCA_odls_base_sigkill_timeout=30    # time to save after SIGTERM\n";
  } else {
    text += "# A share per task would confine the agent of the first node; a step has it all.\n";
    text += "unset SLURM_CPUS_PER_TASK SLURM_NTASKS_PER_NODE\n";
  }
  return text;
}

std::string launch_command(const SlurmJob& job) {
  const int tasks = job.nodes + 1;
  if (job.launcher == SlurmLauncher::Mpirun) {
    if (job.nodes == 1) return "";
    return fmt::format("mpirun -n {} --map-by node --oversubscribe --bind-to none", tasks);
  }
  if (job.nodes == 1) return "srun --ntasks=1 --mpi=none --cpu-bind=none --immediate=60";
  return fmt::format(
      "srun --mpi=pmix --nodes={} --ntasks={} --distribution=cyclic --overcommit --cpu-bind=none "
      "\\\n"
      "    --immediate=60 --wait=0 --kill-on-bad-exit={}",
      job.nodes, tasks, job.survive_node_loss ? "0 --no-kill" : "1");
}

std::string launching(const SlurmJob& job) {
  std::string text = heading("How it is launched");
  text += job.nodes == 1 ? "# One node: one process, which coordinates and serves; no MPI.\n"
                         : "# Tasks are dealt to the nodes in turn: task 0 coordinates, the others "
                           "serve, one per node.\n";
  text += R"(job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}
code_file=$directory/slurm/$job.code         # the exit code of task 0
crash_file=$directory/slurm/$job.crashes     # a line per crashed start of this job
launch() {
)";
  const std::string command = launch_command(job);
  text += "  " + command + (command.empty() ? "" : " \\\n    ");
  text += R"("$calsweep" run "$spec" --dir "$directory" --exit-code-file "$code_file")";
  for (const auto& option : job.run_options) text += " " + shell_quoted(option);
  text += " &\n  launcher=$!\n}\n";
  return text;
}

constexpr const char* kSignals =
    R"sh(# Slurm's warning and its SIGTERM are passed on as USR1: the sweep saves and stops. Bash sees them
# only while it waits, so the launcher runs in the background.
say() { printf '%s slurm script: %s\n' "$(date -u +%FT%TZ)" "$*"; }
launcher=
stopping=no
# shellcheck disable=SC2317  # called by the traps
pass_on() {
  stopping=yes
  say "$1 came: the sweep saves and stops"
  if [[ -n $launcher ]]; then kill -USR1 "$launcher" 2>/dev/null; fi
}
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM
)sh";

constexpr const char* kRun =
    R"sh(say "job $job, start $((${SLURM_RESTART_COUNT:-0} + 1)), on ${SLURM_JOB_NODELIST:-this host}"
mkdir -p "$directory/slurm"
for attempt in 1 2 3; do
  rm -f "$code_file"
  launch
  wait "$launcher"
  code=$?
  while kill -0 "$launcher" 2>/dev/null; do
    wait "$launcher"
    code=$?
  done
  launcher=
  # Task 0 knows how the sweep stands; the launcher's code also tells of tasks lost on the way.
  if [[ -s $code_file ]]; then code=$(<"$code_file"); fi
  rm -f "$code_file"
  case $code in 0 | 1 | 2 | 3 | 75) break ;; esac
  if [[ $stopping == yes ]]; then
    code=75
    break
  fi
  say "attempt $attempt of 3 crashed with code $code; nothing finished is lost"
done
)sh";

constexpr const char* kRequeue =
    R"sh(put_back() {
  if ! command -v scontrol >/dev/null; then
    say "incomplete, and no scontrol here to requeue the job: submit the script again to continue"
    return
  fi
  # A job that somebody cancelled, or that Slurm requeues itself, is left alone.
  local state reason
  read -r state reason < <(timeout 20 squeue -h -j "$SLURM_JOB_ID" -o '%T %r' 2>/dev/null)
  if [[ -n $state && $state != RUNNING && $reason != TimeLimit ]]; then
    say "incomplete; Slurm itself ends this job: if it does not come back, submit the script again"
  elif timeout 60 scontrol requeue "$job"; then
    say "incomplete: the job goes back to the queue and continues from there"
  else
    say "incomplete, and requeueing was refused: submit the script again to continue"
  fi
}
)sh";

std::string last_words(const SlurmJob& job) {
  std::string incomplete = "put_back";
  if (job.array > 0) {
    incomplete =
        "if ((SLURM_ARRAY_TASK_ID < SLURM_ARRAY_TASK_MAX)); then\n"
        "      say \"incomplete: the next job of the array continues\"\n"
        "    else\n      put_back\n    fi";
  }
  return R"(if ((code == 0 || code == 75)); then rm -f "$crash_file"; fi
case $code in
  0) say "the sweep is complete; next: calsweep analyze $directory" ;;
  1) say "done, but some trials were set aside: calsweep status $directory lists them" ;;
  2) say "refused: see the message above; nothing was changed" ;;
  3) say "an I/O or internal error: see the message above; repair it and submit again" ;;
  75)
    )" + incomplete +
         R"(
    ;;
  *)
    echo "$code" >>"$crash_file"
    if (($(wc -l <"$crash_file") <= 3)); then
      say "crashed three times with code $code; perhaps other nodes are better"
      put_back
    else
      say "crashes again and again with code $code: see above, and run: calsweep doctor $directory"
      rm -f "$crash_file"
    fi
    ;;
esac
exit "$code"
)";
}

}  // namespace

std::filesystem::path slurm_output(const SlurmJob& job) {
  return job.directory / "slurm" / (job.array > 0 ? "%A_%a.out" : "%j.out");
}

std::string slurm_script(const SlurmJob& job) {
  std::string text = fmt::format(
      "#!/bin/bash\n"
      "# The sweep '{}' on Slurm; written by `calsweep slurm` (calsweep {}).\n"
      "# Submit it with sbatch. It goes back to the queue by itself until the sweep is complete.\n",
      job.sweep, version());
  text += resources(job) + ending(job) + settings(job) + launching(job);
  text += heading("Signals") + kSignals;
  text += heading("The run; a start that crashes is tried again") + kRun;
  text += heading("Back to the queue while the sweep is incomplete") + kRequeue;
  text += heading("Last words") + last_words(job);
  return text;
}

}  // namespace calsweep::orchestrator
