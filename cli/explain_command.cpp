// `calsweep explain-ece DIR`: what each convention makes of the same outputs, and why.
#include <fmt/core.h>

#include "analysis/query/explain_ece.hpp"
#include "analysis/query/table_format.hpp"
#include "analysis/replicate_outputs.hpp"
#include "cli/commands.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::cli {
namespace {

// The source of each convention: too wide for a terminal, and in the table `convention`.
void drop_last_column(analysis::QueryTable& table) {
  table.columns.pop_back();
  for (auto& row : table.rows) row.pop_back();
}

}  // namespace

int explain_ece(const ExplainOptions& options) {
  const RunDirectory run(options.directory);
  const auto predictions = analysis::read_predictions(
      run.load_sweep(), run, {options.method, options.cell, options.seed}, options.set);
  auto table = analysis::explain_ece(predictions, options.bins);
  const auto format = analysis::table_format_from(options.format);
  if (format == analysis::TableFormat::Table) drop_last_column(table);
  fmt::print("{}", analysis::format_table(table, format));
  return kExitDone;
}

}  // namespace calsweep::cli
