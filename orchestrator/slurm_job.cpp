#include "orchestrator/slurm_job.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "orchestrator/walltime.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

void expect(bool right, const std::string& option, const std::string& value,
            const std::string& expected) {
  if (right) return;
  throw UsageError(fmt::format("{} '{}' cannot be right: expected {}", option, value, expected));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Letters, digits and `others`; not empty.
bool is_word(const std::string& text, const std::string& others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || others.find(static_cast<char>(c)) != std::string::npos;
  });
}

bool is_memory(const std::string& text) {
  const bool unit =
      text.size() > 1 && std::string("KMGTkmgt").find(text.back()) != std::string::npos;
  return is_number(unit ? text.substr(0, text.size() - 1) : text);
}

// "4" or "a100:4".
bool is_gpus(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto number = colon == std::string::npos ? text : text.substr(colon + 1);
  const bool typed = colon == std::string::npos || is_word(text.substr(0, colon), "_.-");
  return typed && is_number(number) && number.size() < 4 && number.front() != '0';
}

void expect_range(const std::string& option, int value, int low, int high) {
  expect(value >= low && value <= high, option, std::to_string(value),
         fmt::format("{} to {}", low, high));
}

void expect_one_line(const std::string& option, const std::string& value) {
  const bool control = std::any_of(value.begin(), value.end(),
                                   [](unsigned char c) { return c < 0x20 && c != '\t'; });
  expect(!value.empty() && !control, option, value, "one line of text");
}

// FNV-1a, 32 bits: the name must not change from version to version.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261u;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 16777619u;
  return hash;
}

void expect_word(const std::string& option, const std::string& value, const std::string& expected) {
  expect(value.empty() || is_word(value, "_.+@:,-"), option, value, expected);
}

void check_words(const SlurmJob& job) {
  expect_word("--partition", job.partition,
              "a partition (`sinfo -s` lists them), or several separated by commas");
  expect_word("--account", job.account, "the name of an account");
  expect_word("--qos", job.qos, "the name of a quality of service");
  expect_word("--job-name", job.job_name, "letters, digits and _.+@:,-");
  expect(job.memory.empty() || is_memory(job.memory), "--mem", job.memory,
         "memory per node such as 64G, or 0 for all of it");
  expect(job.gpus_per_node.empty() || is_gpus(job.gpus_per_node), "--gpus-per-node",
         job.gpus_per_node, "a number such as 4, or type:number such as a100:4");
}

void check_time(const SlurmJob& job) {
  expect_range("--signal-before", job.signal_before, 10, 65535);
  if (job.time.empty()) return;
  const double seconds = parse_duration(job.time);
  if (seconds > job.signal_before) return;
  throw UsageError(
      fmt::format("--time {} is {:.0f} s, and the warning would come {} s before its end: give "
                  "more time, or warn later with --signal-before",
                  job.time, seconds, job.signal_before));
}

bool is_given(const std::vector<std::string>& options, const std::string& name) {
  return std::find(options.begin(), options.end(), name) != options.end();
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// "--time=5", "--time", "-t5"; not "--time-min=5".
bool sets_time(const std::string& word) {
  return word.substr(0, word.find('=')) == "--time" || word.starts_with("-t");
}

void check_sbatch_options(const SlurmJob& job) {
  for (const auto& option : job.sbatch_options) {
    expect_one_line("--sbatch-option", option);
    expect(option.starts_with("-"), "--sbatch-option", option,
           "an option of sbatch with its dashes, e.g. \"--constraint=a100\"");
    const auto words = words_of(option);
    if (std::none_of(words.begin(), words.end(), sets_time)) continue;
    throw UsageError(
        fmt::format("--sbatch-option '{}' sets the time limit behind the back of --signal-before "
                    "and --time-margin: use --time",
                    option));
  }
}

// GPUs may also be asked for in sbatch's other ways, such as --gres=gpu:4.
void check_device(const SlurmJob& job) {
  const bool gpus =
      !job.gpus_per_node.empty() ||
      std::any_of(job.sbatch_options.begin(), job.sbatch_options.end(), [](const auto& option) {
        return option.find("gpu") != std::string::npos || option.starts_with("-G");
      });
  if (gpus || !is_given(job.run_options, "cuda")) return;
  throw UsageError(
      "--device cuda, but the job asks for no GPUs: add --gpus-per-node 4 (or a type: a100:4), or "
      "leave --device out");
}

}  // namespace

void check_job(const SlurmJob& job) {
  expect_range("--nodes", job.nodes, 1, 100'000);
  expect_range("--cpus-per-task", job.cpus_per_task, 0, 4096);
  expect_range("--array", job.array, 0, 10'000);
  check_words(job);
  check_time(job);
  check_sbatch_options(job);
  check_device(job);
  for (const auto& line : job.setup) expect_one_line("--setup", line);
  expect_one_line("run directory", job.directory.string());
  expect_one_line("spec", job.spec.string());
  if (job.survive_node_loss && job.launcher == SlurmLauncher::Mpirun) {
    throw UsageError(
        "--survive-node-loss needs --launcher srun: mpirun never returns after the loss of a node. "
        "Without the option the job is requeued instead, and continues");
  }
  if (job.survive_node_loss && job.nodes < 2) {
    throw UsageError("--survive-node-loss needs --nodes 2 or more: no other node could go on");
  }
}

SlurmJob complete_job(SlurmJob job, std::int64_t threads) {
  if (job.job_name.empty()) job.job_name = slurm_job_name(job.sweep, job.directory);
  const int gpus = number_of_gpus(job);
  if (job.cpus_per_task == 0 && gpus > 0) job.cpus_per_task = 2 * gpus;
  if (job.cpus_per_task == 0) {
    job.exclusive = true;
    if (job.memory.empty()) job.memory.assign(1, '0');
  } else if (gpus == 0 && !is_given(job.run_options, "--slots")) {
    const std::int64_t slots =
        std::max<std::int64_t>(1, job.cpus_per_task / std::max<std::int64_t>(1, threads));
    job.run_options.insert(job.run_options.end(), {"--slots", std::to_string(slots)});
  }
  return job;
}

std::string slurm_job_name(const std::string& sweep, const std::filesystem::path& directory) {
  std::string name;
  for (const unsigned char c : sweep.substr(0, 40)) {
    name += std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-' ? static_cast<char>(c) : '-';
  }
  return fmt::format("calsweep-{}-{:08x}", name, hash_of(directory.string()));
}

int number_of_gpus(const SlurmJob& job) {
  if (job.gpus_per_node.empty()) return 0;
  const auto colon = job.gpus_per_node.rfind(':');
  return std::atoi(job.gpus_per_node.c_str() + (colon == std::string::npos ? 0 : colon + 1));
}

}  // namespace calsweep::orchestrator
