#include "analysis/results/results_line.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

using Json = nlohmann::json;

// JSON has no NaN: null stands for it, and infinities are texts.
Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double number_from(const Json& json) {
  if (json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (json.is_string()) {
    const double infinity = std::numeric_limits<double>::infinity();
    return json.get<std::string>() == "inf" ? infinity : -infinity;
  }
  return json.get<double>();
}

Json encode_metric(const MetricValue& m) {
  const auto& u = m.uncertainty;
  return {m.metric,         m.convention,        number(m.value.value),  m.value.null_reason,
          number(u.floor),  number(u.floor_q95), number(u.p_consistent), number(u.ci_low),
          number(u.ci_high)};
}

MetricValue decode_metric(const Json& m) {
  return {m.at(0),
          m.at(1),
          {number_from(m.at(2)), m.at(3)},
          {number_from(m.at(4)), number_from(m.at(5)), number_from(m.at(6)), number_from(m.at(7)),
           number_from(m.at(8))}};
}

Json encode_set(const PredictionSetResult& set) {
  Json json = {{"set", set.set},           {"calibrator", set.calibrator},
               {"n_rows", set.n_rows},     {"n_classes", set.n_classes},
               {"metrics", Json::array()}, {"confidence", Json::array()},
               {"classes", Json::array()}, {"strata", Json::array()}};
  for (const auto& m : set.metrics) json["metrics"].push_back(encode_metric(m));
  for (const auto& c : set.confidence) {
    json["confidence"].push_back({c.cell, c.count, c.correct, c.sum_confidence});
  }
  for (const auto& c : set.classes) {
    json["classes"].push_back({c.labels, c.predicted, number(c.sum_probability)});
  }
  for (const auto& c : set.strata) {
    json["strata"].push_back({c.score, c.stratum, c.value, c.n, c.covered, c.sum_size});
  }
  return json;
}

PredictionSetResult decode_set(const Json& json) {
  PredictionSetResult set;
  set.set = json.at("set");
  set.calibrator = json.at("calibrator");
  set.n_rows = json.at("n_rows");
  set.n_classes = json.at("n_classes");
  for (const auto& m : json.at("metrics")) set.metrics.push_back(decode_metric(m));
  for (const auto& c : json.at("confidence")) {
    set.confidence.push_back({c.at(0), c.at(1), c.at(2), c.at(3)});
  }
  for (const auto& c : json.at("classes")) {
    set.classes.push_back({c.at(0), c.at(1), number_from(c.at(2))});
  }
  for (const auto& c : json.at("strata")) {
    set.strata.push_back({c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5)});
  }
  return set;
}

Json encode_calibration(const CalibrationResult& calibration) {
  Json parameters = Json::array();
  for (const auto& [name, value] : calibration.parameters) {
    parameters.push_back({name, number(value)});
  }
  return {calibration.calibrator, calibration.fitted_on, calibration.null_reason,
          std::move(parameters)};
}

CalibrationResult decode_calibration(const Json& json) {
  CalibrationResult calibration{json.at(0), json.at(1), json.at(2), {}};
  for (const auto& p : json.at(3)) {
    calibration.parameters.emplace_back(p.at(0), number_from(p.at(1)));
  }
  return calibration;
}

Json encode_epochs(const std::vector<EpochRecord>& epochs) {
  Json rows = Json::array();
  for (const auto& e : epochs) {
    rows.push_back({e.epoch, number(e.train_loss), number(e.test_accuracy), number(e.test_nll),
                    number(e.test_confidence), number(e.test_ece_guo2017),
                    number(e.test_ece_noise2026)});
  }
  return rows;
}

std::vector<EpochRecord> decode_epochs(const Json& json) {
  std::vector<EpochRecord> epochs;
  for (const auto& e : json) {
    epochs.push_back({e.at(0), number_from(e.at(1)), number_from(e.at(2)), number_from(e.at(3)),
                      number_from(e.at(4)), number_from(e.at(5)), number_from(e.at(6))});
  }
  return epochs;
}

Json encode_origin(const NetworkOrigin& origin) {
  const auto& record = origin.record;
  const auto& made = origin.provenance;
  return {{"settings", record.settings},
          {"seed", record.seed},
          {"member", record.member},
          {"fused_width", record.fused_width},
          {"completed", record.outcome == TrialOutcome::Completed},
          {"diverged_step", record.diverged_step},
          {"train_seconds", number(record.train_seconds)},
          {"epochs", encode_epochs(record.epochs)},
          {"unit", origin.unit.str()},
          {"checksum", origin.checksum},
          {"attempt", origin.attempt},
          {"made", Json::array({made.calsweep_version, made.libtorch_version, made.hdf5_version,
                                made.host, made.device, made.started_at, made.threads})}};
}

NetworkOrigin decode_origin(const Json& json, const std::string& id) {
  NetworkOrigin origin;
  auto& record = origin.record;
  record.id = TrialId::from_hex(id);
  record.settings = json.at("settings");
  record.seed = json.at("seed");
  record.member = json.at("member");
  record.fused_width = json.at("fused_width");
  record.outcome =
      json.at("completed").get<bool>() ? TrialOutcome::Completed : TrialOutcome::Diverged;
  record.diverged_step = json.at("diverged_step");
  record.train_seconds = number_from(json.at("train_seconds"));
  record.epochs = decode_epochs(json.at("epochs"));
  origin.unit = UnitId::from_hex(json.at("unit").get<std::string>());
  origin.checksum = json.at("checksum");
  origin.attempt = json.at("attempt");
  const auto& made = json.at("made");
  origin.provenance = {made.at(0), made.at(1), made.at(2), made.at(3),
                       made.at(4), made.at(5), made.at(6)};
  return origin;
}

Json encode_predictor(const PredictorResult& result) {
  Json json = {{"predictor", result.id}, {"n_members", result.n_members}, {"sets", Json::array()}};
  if (result.origin) json["origin"] = encode_origin(*result.origin);
  for (const auto& set : result.sets) json["sets"].push_back(encode_set(set));
  json["calibrations"] = Json::array();
  for (const auto& c : result.calibrations) json["calibrations"].push_back(encode_calibration(c));
  json["sizes"] = Json::array();
  for (const auto& p : result.sizes) {
    json["sizes"].push_back({p.n_members, p.n_subsets, p.metric, number(p.value)});
  }
  return json;
}

PredictorResult decode_predictor(const Json& json) {
  PredictorResult result;
  result.id = json.at("predictor");
  result.n_members = json.at("n_members");
  if (json.contains("origin")) result.origin = decode_origin(json.at("origin"), result.id);
  for (const auto& set : json.at("sets")) result.sets.push_back(decode_set(set));
  for (const auto& c : json.at("calibrations")) {
    result.calibrations.push_back(decode_calibration(c));
  }
  for (const auto& p : json.at("sizes")) {
    result.sizes.push_back({p.at(0), p.at(1), p.at(2), number_from(p.at(3))});
  }
  return result;
}

}  // namespace

std::string encode(const ResultsLine& line) {
  // Bytes that are not UTF-8 (a host name, a path) must not stop an analysis.
  constexpr auto kReplace = Json::error_handler_t::replace;
  if (const auto* problem = std::get_if<AnalysisProblem>(&line)) {
    return Json{
        {"problem", problem->message}, {"predictor", problem->predictor}, {"file", problem->file}}
        .dump(-1, ' ', false, kReplace);
  }
  return encode_predictor(std::get<PredictorResult>(line)).dump(-1, ' ', false, kReplace);
}

ResultsLine decode_results_line(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    if (json.contains("problem")) {
      return AnalysisProblem{json.at("predictor"), json.at("file"), json.at("problem")};
    }
    return decode_predictor(json);
  } catch (const Json::exception& error) {
    throw FormatError(
        fmt::format("an analysis rank sent a line that is no result: {}; all ranks "
                    "must run the same calsweep",
                    error.what()));
  }
}

}  // namespace calsweep::analysis
