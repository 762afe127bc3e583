#include "sweeps/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <mutex>

namespace calsweep::log {
namespace {

void (*before_line)() = nullptr;

// stderr, one write per line, with room for the progress display to clear its own line first.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (before_line != nullptr) before_line();
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("calsweep", std::make_shared<StderrSink>());
    made->set_pattern("%H:%M:%S %l [%n] %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
    case Level::Off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

}  // namespace

void set_up(std::string_view who, Level level) {
  set_who(who);
  logger().set_level(to_spdlog(level));
}
void set_who(std::string_view who) {
  logger().set_pattern(fmt::format("%H:%M:%S %l [{}] %v", who));
}
void set_line_hook(void (*hook)()) { before_line = hook; }

void debug(std::string_view text) { logger().debug(text); }
void info(std::string_view text) { logger().info(text); }
void warning(std::string_view text) { logger().warn(text); }
void error(std::string_view text) { logger().error(text); }

}  // namespace calsweep::log
