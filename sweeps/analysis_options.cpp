#include "sweeps/analysis_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace calsweep {
namespace {

using Names = std::vector<std::string>;

constexpr std::array<std::string_view, 13> kCalibrators = {"temperature",
                                                           "temperature-ece10-grid",
                                                           "vector",
                                                           "matrix",
                                                           "matrix-odir",
                                                           "dirichlet",
                                                           "platt",
                                                           "histogram-binning",
                                                           "bbq",
                                                           "isotonic",
                                                           "isotonic-top-label",
                                                           "enir",
                                                           "beta"};

class OptionsReader {
 public:
  OptionsReader(SpecDocument& document, const Names& methods)
      : document_(document), methods_(methods) {}

  AnalysisOptions read(const toml::node& node) {
    const auto* table = document_.table(node, "analysis");
    if (table == nullptr) return options_;
    for (const auto& [key, value] : in_file_order(*table)) read_key(*key, *value);
    return options_;
  }

 private:
  void read_key(const toml::key& key, const toml::node& value) {
    const AnalysisOptions defaults;
    if (key.str() == "reference") {
      read_reference(value);
    } else if (key.str() == "alpha") {
      options_.alpha = document_.real(value, "analysis.alpha", 1e-12, 0.5).value_or(defaults.alpha);
    } else if (key.str() == "calibrators") {
      read_calibrators(value);
    } else if (key.str() == "cross_fitting_folds") {
      read_folds(value);
    } else if (key.str() == "resamples") {
      options_.resamples =
          document_.integer(value, "analysis.resamples", 0, 1'000'000).value_or(defaults.resamples);
    } else if (key.str() == "conformal_alpha") {
      options_.conformal_alpha = document_.real(value, "analysis.conformal_alpha", 1e-6, 0.5)
                                     .value_or(defaults.conformal_alpha);
    } else if (key.str() == "equivalence") {
      options_.equivalence =
          document_.real(value, "analysis.equivalence", 0.0, 1e6).value_or(defaults.equivalence);
    } else {
      document_.report_unknown(key, "[analysis]",
                               {"alpha", "calibrators", "conformal_alpha", "cross_fitting_folds",
                                "equivalence", "reference", "resamples"});
    }
  }

  void read_reference(const toml::node& node) {
    const auto name = document_.text(node, "analysis.reference");
    if (!name) return;
    if (std::find(methods_.begin(), methods_.end(), *name) != methods_.end()) {
      options_.reference = *name;
      return;
    }
    const std::string nearest = nearest_name(*name, methods_);
    document_.report(
        node, fmt::format("analysis.reference names no method of this spec: \"{}\"; {}methods: {}",
                          *name, nearest.empty() ? "" : "did you mean \"" + nearest + "\"? ",
                          fmt::join(methods_, ", ")));
  }

  void read_folds(const toml::node& node) {
    const auto folds = document_.integer(node, "analysis.cross_fitting_folds", 0, 100);
    if (!folds) return;
    if (*folds == 1) {
      document_.report(node, "analysis.cross_fitting_folds must be 0 (off) or at least 2, not 1");
      return;
    }
    options_.cross_fitting_folds = *folds;
  }

  void read_calibrators(const toml::node& node) {
    const auto* list = node.as_array();
    if (list == nullptr) {
      document_.report(node, fmt::format("analysis.calibrators must be a list of names, not {}; "
                                         "[] for none; there are: {}",
                                         kind_of(node), fmt::join(kCalibrators, ", ")));
      return;
    }
    options_.calibrators.clear();
    for (const auto& item : *list) read_calibrator(item);
  }

  void read_calibrator(const toml::node& item) {
    const auto name = document_.text(item, "analysis.calibrators");
    if (!name) return;
    const Names valid(kCalibrators.begin(), kCalibrators.end());
    auto& chosen = options_.calibrators;
    if (std::find(valid.begin(), valid.end(), *name) == valid.end()) {
      const std::string nearest = nearest_name(*name, valid);
      document_.report(item,
                       fmt::format("no calibrator is called \"{}\"; {}there are: {}", *name,
                                   nearest.empty() ? "" : "did you mean \"" + nearest + "\"? ",
                                   fmt::join(valid, ", ")));
    } else if (std::find(chosen.begin(), chosen.end(), *name) != chosen.end()) {
      document_.report(item, fmt::format("analysis.calibrators names \"{}\" twice", *name));
    } else {
      chosen.push_back(*name);
    }
  }

  SpecDocument& document_;
  const Names& methods_;
  AnalysisOptions options_;
};

}  // namespace

AnalysisOptions read_analysis_options(SpecDocument& document, const toml::node& node,
                                      const Names& methods) {
  return OptionsReader(document, methods).read(node);
}

std::span<const std::string_view> calibrator_names() { return kCalibrators; }

}  // namespace calsweep
