// A word that is no command: CLI11 would only say that a subcommand is required.
#pragma once

namespace CLI {
class App;
}

namespace calsweep::cli {

/// Throws UsageError, with the nearest name and all there are, if the first argument that is no
/// option is no subcommand of `app`, whose own options take no values.
void check_command(const CLI::App& app, int argc, char** argv);

}  // namespace calsweep::cli
