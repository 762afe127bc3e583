// Everything that comes over a wire: every reader gets every input. What a reader accepts can be
// written and read again.
#include "orchestrator/messages.hpp"
#include "sweeps/settings.hpp"
#include "sweeps/trainer_protocol.hpp"
#include "sweeps/unit.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::orchestrator;

void read_as_agent(std::string_view text) {
  for (const ToAgent& message : decode_to_agent(text)) decode_to_agent(encode(message));
}

void read_as_coordinator(std::string_view text) {
  for (const FromAgent& message : decode_from_agent(AgentId{1}, text)) {
    std::string again;
    if (const auto* event = std::get_if<Event>(&message)) again = encode(*event);
    if (const auto* hello = std::get_if<Hello>(&message)) again = encode(*hello);
    decode_from_agent(AgentId{1}, again);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fuzzing::only_our_errors;
  const auto text = fuzzing::text(data, size);
  only_our_errors([&] { read_as_agent(text); });
  only_our_errors([&] { read_as_coordinator(text); });
  only_our_errors([&] { decode_trainer_reply(encode(decode_trainer_reply(text))); });
  only_our_errors([&] { decode_train_command(encode(decode_train_command(text))); });
  only_our_errors([&] { WorkUnit::from_json(WorkUnit::from_json(text).to_json()); });
  only_our_errors([&] { Settings::from_canonical(Settings::from_canonical(text).canonical()); });
  return 0;
}
