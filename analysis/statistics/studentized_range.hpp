// The range of k independent standard normals: the studentised range with infinitely many degrees
// of freedom, behind Nemenyi's test. Any k, any level, by numerical integration.
#pragma once

namespace calsweep::analysis {

/// P(range of k standard normals > q), k >= 2, q >= 0; relative error below 1e-9 also in the far
/// tail. Integrates k phi(z) (Phi(z)^(k-1) - (Phi(z) - Phi(z - q))^(k-1)) over z.
double normal_range_tail(double q, int k);

/// The q with P(range > q) = alpha. Throws UsageError unless k >= 2 and 0 < alpha < 1.
double normal_range_quantile(double alpha, int k);

/// Nemenyi's q_alpha: the quantile divided by sqrt(2) (Demsar 2006, table 5). Without the division
/// critical differences come out 41 % too large, a slip found in published code.
double nemenyi_q(double alpha, int k);

}  // namespace calsweep::analysis
