#include "cli/unknown_command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::cli {

void check_command(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto word = std::find_if(words.begin(), words.end(),
                                 [](const auto& text) { return !text.starts_with('-'); });
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (word == words.end() || std::find(names.begin(), names.end(), *word) != names.end()) return;
  throw UsageError(fmt::format("there is no command '{}'; {}there are: {}", *word,
                               did_you_mean(nearest_name(*word, names)), fmt::join(names, ", ")));
}

}  // namespace calsweep::cli
