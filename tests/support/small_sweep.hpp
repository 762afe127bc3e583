// Small sweeps for tests: a spec text that parses, and the sweep it expands to without any data.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "sweeps/sweep.hpp"

namespace calsweep::testing {

inline const std::string kSmallSpec = R"(
name = "small"
seeds = 3
[data]
dataset = "fashion-mnist"
[grid]
model.depth = [2, 4]
data.size = [500, 2000]
[methods.baseline]
[methods.warm-up]
noise_warmup = { samples = 1280 }
[methods.mixup]
mixup = true
[methods.ensemble]
ensemble = { of = "baseline", size = 2 }
)";

/// The spec in `text`; fails the test with its mistakes otherwise.
inline Spec parse_or_fail(const std::string& text) {
  auto parsed = parse_spec(text, "test.toml");
  if (auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed)) {
    for (const auto& mistake : *mistakes) ADD_FAILURE() << mistake.str();
    return {};
  }
  return std::get<Spec>(std::move(parsed));
}

inline DataInventory made_up_data() {
  DataInventory data;
  for (const char* name : {"fashion-mnist", "mnist", "cifar-10"}) {
    data.sets[name] = {name, "/nowhere", std::string(64, 'a')};
  }
  return data;
}

inline Sweep expand_or_fail(const std::string& text) {
  return expand(parse_or_fail(text), made_up_data());
}

}  // namespace calsweep::testing
