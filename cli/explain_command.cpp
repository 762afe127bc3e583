// `calsweep explain-ece DIR`: what each convention makes of the same outputs, and why.
#include <fmt/core.h>

#include "analysis/query/explain_ece.hpp"
#include "analysis/query/table_format.hpp"
#include "analysis/replicate_outputs.hpp"
#include "cli/commands.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"

namespace calsweep::cli {

int explain_ece(const ExplainOptions& options) {
  const RunDirectory run(options.directory);
  const auto outputs = analysis::read_outputs(
      run.load_sweep(), run, {options.method, options.cell, options.seed}, options.set);
  fmt::print("{}", analysis::format_table(analysis::explain_ece(outputs.predictions, options.bins),
                                          analysis::table_format_from(options.format)));
  return kExitDone;
}

}  // namespace calsweep::cli
