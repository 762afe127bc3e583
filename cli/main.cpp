// The `calsweep` command: parses the command line, runs one subcommand, maps failures to exit
// codes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "analysis/query/table_format.hpp"
#include "cli/commands.hpp"
#include "cli/import_command.hpp"
#include "cli/unknown_command.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/log.hpp"
#include "sweeps/version.hpp"

namespace calsweep::cli {
namespace {

void add_plan(CLI::App& app, int& exit_code) {
  static PlanOptions options;
  auto* command = app.add_subcommand("plan", "Say what a sweep would do: counts, work, disk");
  command->add_option("SPEC", options.spec, "the sweep's TOML file")->required();
  command->add_flag("--list", options.list, "print every trial");
  command->add_flag("--json", options.json, "print JSON");
  command->callback([&] { exit_code = plan(options); });
}

void add_run(CLI::App& app, int& exit_code) {
  static RunCommandOptions options;
  auto* command = app.add_subcommand(
      "run",
      "Run or continue a sweep; under mpirun or srun every rank but the first serves trainers");
  command->add_option("SPEC", options.spec, "the sweep's TOML file")->required();
  command->add_option("--dir", options.directory, "run directory (default: runs/<name>)");
  auto* slots = command->add_option(
      "--slots", options.slots, "trainers per rank (default: one per GPU, else this host's cores)");
  slots->check(CLI::Range(1, 4096));
  command
      ->add_option("--slots-per-gpu", options.slots_per_gpu,
                   "trainers that share one GPU (default: 1)")
      ->check(CLI::Range(1, 64))
      ->excludes(slots);
  command
      ->add_option("--bind", options.bind,
                   "trainers to CPUs: auto, none, cores or numa (default: auto)")
      ->check(CLI::IsMember({"auto", "none", "cores", "numa"}));
  command->add_option("--device", options.device, "auto, cpu or cuda (default: auto)")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--stop-signal", options.stop_signal,
                      "signal after which checkpoints are stored and the run stops with exit code "
                      "75, beside TERM, INT and HUP (default: USR1)");
  command->add_option("--time", options.time,
                      "time limit of this run: minutes, MM:SS, H:MM:SS or D-HH (default: what the batch "
                      "system says)");
  command
      ->add_option("--time-margin", options.time_margin_seconds,
                   "seconds before the time limit at which the run stops (default: 60; at "
                   "most a quarter of the time)")
      ->check(CLI::Range(1.0, 86400.0));
  command
      ->add_option("--agent-silence", options.agent_silence_seconds,
                   "seconds after which a rank that is not heard of is lost and its units are "
                   "handed out again (default: 60)")
      ->check(CLI::Range(1.0, 86400.0));
  command->add_option("--trainer", options.trainer,
                      "calsweep-trainer to start (default: the one beside this program)");
  command->add_flag("--take-over", options.take_over,
                    "take over a run directory whose coordinator on another host is gone");
  command->add_flag("--accept-new-data", options.accept_new_data,
                    "go on although a data set changed since the sweep started");
  command->add_option("--exit-code-file", options.exit_code_file,
                      "where the first rank leaves its exit code, for batch scripts");
  command->callback([&] { exit_code = run(options); });
}

void add_slurm_resources(CLI::App& command, orchestrator::SlurmJob& job) {
  command.add_option("--nodes", job.nodes, "nodes, one agent on each (default: 1)");
  command.add_option("--gpus-per-node", job.gpus_per_node, "GPUs per node: 4, or a100:4");
  command
      .add_option("--cpus-per-task", job.cpus_per_task,
                  "cores per node (default: two per GPU, or whole nodes without GPUs)")
      ->check(CLI::Range(1, 4096));
  command.add_option("--time", job.time,
                     "time limit of one start in Slurm's notation, e.g. 4:00:00");
  command.add_option("--partition", job.partition, "partition to queue in");
  command.add_option("--account", job.account, "account to charge");
  command.add_option("--qos", job.qos, "quality of service");
  command.add_option("--mem", job.memory, "memory per node, e.g. 64G; 0: all of it");
  command.add_option("--job-name", job.job_name,
                     "name of the job (default: from sweep and run directory)");
  command.add_option("--array", job.array, "so many jobs that serve the sweep one after the other")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--signal-before", job.signal_before,
                     "seconds from Slurm's warning to the end (default: 120)");
  command.add_flag("--survive-node-loss", job.survive_node_loss,
                   "go on with the other nodes when one is lost");
  command
      .add_option("--sbatch-option", job.sbatch_options,
                  "any other option of sbatch, e.g. --sbatch-option=--constraint=a100; may be "
                  "repeated")
      ->allow_extra_args(false);
  command
      .add_option("--setup", job.setup,
                  "a line for the script, e.g. \"module load openmpi\", or a file to source; may "
                  "be repeated")
      ->allow_extra_args(false);
}

void add_slurm(CLI::App& app, int& exit_code) {
  static SlurmOptions options;
  auto* command = app.add_subcommand(
      "slurm", "Write or submit a batch script that runs a sweep on Slurm to its end");
  command->add_option("SPEC", options.spec, "the sweep's TOML file")->required();
  command->add_option("--dir", options.job.directory, "run directory (default: runs/<name>)");
  add_slurm_resources(*command, options.job);
  command->add_option("--launcher", options.launcher, "srun or mpirun (default: srun)")
      ->check(CLI::IsMember({"srun", "mpirun"}));
  command->add_option("--slots", options.slots, "trainers per node (default: as calsweep run)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--device", options.device, "auto, cpu or cuda (default: auto)")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--trainer", options.trainer, "calsweep-trainer to start");
  command
      ->add_option("--time-margin", options.time_margin_seconds,
                   "seconds before the time limit at which the sweep stops itself (default: 60)")
      ->check(CLI::Range(1.0, 86400.0));
  command
      ->add_option("--agent-silence", options.agent_silence_seconds,
                   "seconds until a silent node counts as lost (default: 60)")
      ->check(CLI::Range(1.0, 86400.0));
  auto* output = command->add_option("--output", options.output,
                                     "write the script there instead of printing it");
  command->add_flag("--submit", options.submit, "hand the script to sbatch")->excludes(output);
  command->callback([&] { exit_code = slurm(options); });
}

void add_status(CLI::App& app, int& exit_code) {
  static fs::path directory;
  static bool json = false;
  auto* command = app.add_subcommand("status", "Say how far a sweep is; works while it runs");
  command->add_option("DIR", directory, "run directory")->required();
  command->add_flag("--json", json, "print JSON");
  command->callback([&] { exit_code = status(directory, json); });
}

void add_import(CLI::App& app, int& exit_code) {
  static ImportOptions options;
  auto* command = app.add_subcommand(
      "import", "Take logits or probabilities of networks that were trained elsewhere");
  command->add_option("MANIFEST", options.manifest, "TOML file that says what each file is")
      ->required();
  command->add_option("--dir", options.directory, "run directory (default: runs/<name>)");
  command->add_option("--data", options.data,
                      "folder where the manifest's files lie (default: the manifest's own)");
  command->callback([&] { exit_code = import_records(options); });
}

void add_analyze(CLI::App& app, int& exit_code) {
  static fs::path directory;
  static bool rebuild = false;
  auto* command =
      app.add_subcommand("analyze", "Turn logits into metrics and paired tests in results.db");
  command->add_option("DIR", directory, "run directory")->required();
  command->add_flag("--rebuild", rebuild, "compute everything again; the old results.db stays until the new one is complete");
  command->callback([&] { exit_code = analyze(directory, rebuild); });
}

void add_query(CLI::App& app, int& exit_code) {
  static QueryOptions options;
  auto* command = app.add_subcommand("query", "Ask results.db, read-only");
  command->add_option("DIR", options.directory, "run directory")->required();
  command->add_option("QUERY", options.query,
                      "SQL, or the name of a ready-made query; without it, their list");
  command
      ->add_option("--format", options.format, "table, csv, json, markdown or latex (default: table)")
      ->check(CLI::IsMember(analysis::table_format_names()));
  command->callback([&] { exit_code = query(options); });
}

void add_export(CLI::App& app, int& exit_code) {
  static ExportOptions options;
  auto* command = app.add_subcommand("export", "Write tables and views of results.db to files");
  command->add_option("DIR", options.directory, "run directory")->required();
  command->add_option("NAMES", options.names,
                      "tables, views or ready-made queries (default: every table and view)");
  command->add_option("--to", options.folder, "folder for the files (default: DIR/export)");
  command->add_option("--format", options.format, "csv, json, markdown, latex or table (default: csv)")
      ->check(CLI::IsMember(analysis::table_format_names()));
  command->callback([&] { exit_code = export_results(options); });
}

void add_explain(CLI::App& app, int& exit_code) {
  static ExplainOptions options;
  auto* command = app.add_subcommand(
      "explain-ece", "Say what each convention of the calibration error makes of one network, and why");
  command->add_option("DIR", options.directory, "run directory")->required();
  command->add_option("--method", options.method, "method (default: the first)");
  command->add_option("--cell", options.cell, "cell, as in \"depth=2 size=500\" (default: the only one)");
  command->add_option("--seed", options.seed, "seed (default: the first)");
  command->add_option("--set", options.set, "test or validation (default: test)");
  command->add_option("--bins", options.bins, "bins, the same for all (default: each convention's own)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--format", options.format, "table, csv, json, markdown or latex (default: table)")
      ->check(CLI::IsMember(analysis::table_format_names()));
  command->callback([&] { exit_code = explain_ece(options); });
}

void add_show(CLI::App& app, int& exit_code) {
  static ShowOptions options;
  auto* command = app.add_subcommand("show", "Show the grid as tables: mean ± sd per method");
  command->add_option("DIR", options.directory, "run directory")->required();
  command->add_option("--metric", options.metric, "metric to show (default: ece_guo2017)");
  command->add_option("--color", options.color, "auto, always or never (default: auto)")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--ascii", options.ascii, "use no characters beyond ASCII");
  command->callback([&] { exit_code = show(options); });
}

void add_power(CLI::App& app, int& exit_code) {
  static PowerOptions options;
  auto* command = app.add_subcommand("power", "Say how many seeds a grid needs to show an effect");
  command->add_option("TARGET", options.target,
                      "the sweep's TOML file, or a pilot's run directory; without it, --cells");
  command->add_option("--cells", options.cells, "cells of the grid: tests per method and metric")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--effect", options.effect,
                      "d_z: mean paired difference / its standard deviation");
  command->add_option("--alpha", options.alpha, "level (default: the spec's, else 0.05)");
  command->add_option("--power", options.power, "wanted power (default: 0.8)");
  command->add_option("--effective-share", options.effective_share,
                      "share of the cells that have the effect (default: 1)");
  command->add_option("--correlation", options.correlation,
                      "correlation of a seed's differences between cells (default: 0)");
  command->add_option("--metric", options.metric, "metric of the pilot (default: ece_guo2017)");
  command->add_option("--format", options.format, "table, csv, json or markdown (default: table)")
      ->check(CLI::IsMember({"table", "csv", "json", "markdown"}));
  command->callback([&] { exit_code = power(options); });
}

void add_doctor(CLI::App& app, int& exit_code) {
  static fs::path directory;
  static bool json = false;
  auto* command = app.add_subcommand(
      "doctor", "Check launchers, file system, GPUs, trainer and data, and say what to do");
  command->add_option("DIR", directory, "a run directory, or where one will be (default: here)");
  command->add_flag("--json", json, "print JSON");
  command->callback([&] { exit_code = doctor(directory, json); });
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"calsweep: declared grids of networks, trained anywhere, their calibration in SQL"};
  app.set_version_flag("--version", std::string(version()));
  app.require_subcommand(1);
  bool verbose = false, quiet = false;
  app.add_flag("-v,--verbose", verbose, "log more");
  app.add_flag("-q,--quiet", quiet, "log warnings and errors only");
  app.parse_complete_callback([&] {
    const auto level = verbose ? log::Level::Debug : quiet ? log::Level::Warning : log::Level::Info;
    log::set_up("calsweep", level);
  });
  int exit_code = kExitDone;
  add_plan(app, exit_code);
  add_run(app, exit_code);
  add_slurm(app, exit_code);
  add_status(app, exit_code);
  add_import(app, exit_code);
  add_analyze(app, exit_code);
  add_query(app, exit_code);
  add_export(app, exit_code);
  add_explain(app, exit_code);
  add_show(app, exit_code);
  add_power(app, exit_code);
  add_doctor(app, exit_code);
  app.add_subcommand("reference", "Print the reference of every spec key as Markdown")
      ->callback([&] { exit_code = reference(); });
  check_command(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace calsweep::cli

int main(int argc, char** argv) {
  try {
    return calsweep::cli::parse_and_run(argc, argv);
  } catch (const calsweep::UsageError& error) {
    std::fprintf(stderr, "calsweep: %s\n", error.what());
    return calsweep::kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "calsweep: %s\n", error.what());
    return calsweep::kExitInternal;
  }
}
