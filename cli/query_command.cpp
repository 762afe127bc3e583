// `calsweep query DIR [SQL | NAME]`, `calsweep export DIR` and `calsweep show DIR`: questions to
// results.db.
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "analysis/query/export.hpp"
#include "analysis/query/query.hpp"
#include "analysis/query/show.hpp"
#include "analysis/query/table_format.hpp"
#include "cli/commands.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::cli {
namespace {

constexpr std::size_t kDefaultWidth = 100;

fs::path results_of(const fs::path& directory) {
  const RunDirectory run(directory);
  if (!run.holds_sweep()) {
    throw UsageError(fmt::format("{} is not a run directory: it holds no sweep.toml and data.json",
                                 directory.string()));
  }
  return run.results();
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultWidth;
}

// https://no-color.org
bool wants_color(const std::string& choice) {
  if (choice != "auto") return choice == "always";
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

bool terminal_takes_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    return std::strcmp(value, "C") != 0 && std::strcmp(value, "POSIX") != 0;
  }
  return true;
}

}  // namespace

int query(const QueryOptions& options) {
  const fs::path results = results_of(options.directory);
  if (options.query.empty()) {
    fmt::print("{}", analysis::list_named_queries());
    return kExitDone;
  }
  const auto table = analysis::run_query(results, options.query);
  fmt::print("{}", analysis::format_table(table, analysis::table_format_from(options.format)));
  return kExitDone;
}

int export_results(const ExportOptions& options) {
  const fs::path folder = options.folder.empty() ? options.directory / "export" : options.folder;
  const auto files =
      analysis::export_tables(results_of(options.directory), folder,
                              analysis::table_format_from(options.format), options.names);
  for (const auto& file : files) fmt::print("{}\n", file.string());
  return kExitDone;
}

int show(const ShowOptions& options) {
  analysis::ShowStyle style;
  style.metric = options.metric;
  style.width = terminal_width();
  style.color = wants_color(options.color);
  style.ascii = options.ascii || !terminal_takes_utf8();
  fmt::print("{}", analysis::show(results_of(options.directory), style));
  return kExitDone;
}

}  // namespace calsweep::cli
