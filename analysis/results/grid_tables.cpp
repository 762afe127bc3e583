// Part of sweep_tables.hpp: tests over the grid as a whole.
#include "analysis/results/sweep_tables.hpp"
#include "analysis/results/sweep_values.hpp"

namespace calsweep::analysis {

void write_grid_tests(SQLite::Database&, const Sweep&, const SweepValues&,
                      std::span<const MetricColumn>) {}

}  // namespace calsweep::analysis
