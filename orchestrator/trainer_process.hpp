// One calsweep-trainer process and its pipes: start, write a command, read reply lines, kill, reap.
//
// The child gets its own process group, dies with this process (PR_SET_PDEATHSIG, so it must be
// started from a thread that lives on), may be bound to some CPUs, has default signals, no descriptor but 0-3 and no launcher
// variable (OMPI_*, PMIX_*, PMI_*, ORTE_*, OPAL_*, SLURM_*) in its environment. Nothing here
// blocks, except reaping a child that was just killed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace calsweep::orchestrator {

struct TrainerStart {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  ///< added to what is inherited
  std::filesystem::path log;  ///< stdout and stderr go here (appended) until the trainer redirects
  std::vector<int> cpus;      ///< it may use; empty: those of this process
};

/// How a process ended, for people: "exit code 3", "killed by signal 9 (SIGKILL)".
std::string describe_wait_status(int status);

class TrainerProcess {
 public:
  /// Throws IoError naming the program if it is missing, not executable, or cannot be started.
  explicit TrainerProcess(const TrainerStart& start);
  ~TrainerProcess();  ///< kills and reaps
  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Queues a line (a newline is added) for the child's stdin.
  void send_line(std::string_view line);
  /// Moves bytes in both directions; returns the complete lines that came in, without newlines.
  std::vector<std::string> exchange();
  /// How it ended, once it has (and its last lines were read); never blocks.
  std::optional<std::string> ended();
  /// SIGTERM: the trainer stores a checkpoint, says so and ends.
  void ask_to_stop();
  /// SIGKILL to its whole process group, and reaps it.
  void kill();

 private:
  void start_child(const TrainerStart& start);
  void write_pending();
  void read_available(std::vector<std::string>& lines);

  pid_t pid_ = -1;  ///< -1 once reaped
  int command_fd_ = -1, reply_fd_ = -1;
  std::string pending_, partial_line_;
  std::string how_ended_;
};

}  // namespace calsweep::orchestrator
