#include "orchestrator/doctor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace calsweep::orchestrator {
namespace {

constexpr std::array<const char*, 3> kWords = {"ok", "warn", "FAIL"};

const char* word(Verdict verdict) { return kWords.at(static_cast<std::size_t>(verdict)); }

int count(const std::vector<FindingGroup>& groups, Verdict verdict) {
  int n = 0;
  for (const auto& group : groups) {
    n += static_cast<int>(
        std::count_if(group.findings.begin(), group.findings.end(),
                      [&](const Finding& finding) { return finding.verdict == verdict; }));
  }
  return n;
}

std::string line(const Finding& finding) {
  std::string text =
      fmt::format("  {:<5} {:<16} {}\n", word(finding.verdict), finding.subject, finding.text);
  if (!finding.advice.empty())
    text += fmt::format("  {:<5} {:<16} -> {}\n", "", "", finding.advice);
  return text;
}

}  // namespace

bool has_failure(const std::vector<FindingGroup>& groups) {
  return count(groups, Verdict::Failure) > 0;
}

std::string format_findings(const std::vector<FindingGroup>& groups) {
  std::string text;
  for (const auto& group : groups) {
    if (group.findings.empty()) continue;
    text += group.name + "\n";
    for (const auto& finding : group.findings) text += line(finding);
  }
  const int failures = count(groups, Verdict::Failure), warnings = count(groups, Verdict::Warning);
  if (failures == 0 && warnings == 0) return text + "all is well\n";
  return text + fmt::format("{} broken, {} doubtful; what to do stands behind each arrow\n",
                            failures, warnings);
}

std::string findings_json(const std::vector<FindingGroup>& groups) {
  nlohmann::json array = nlohmann::json::array();
  for (const auto& group : groups) {
    for (const auto& finding : group.findings) {
      array.push_back(
          {{"group", group.name},
           {"verdict", finding.verdict == Verdict::Failure ? "fail" : word(finding.verdict)},
           {"subject", finding.subject},
           {"text", finding.text},
           {"advice", finding.advice}});
    }
  }
  return nlohmann::json{{"version", 1}, {"findings", array}}.dump(
             2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace calsweep::orchestrator
