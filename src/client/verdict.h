// What a client does after a try that did not answer: pure, so that "never twice" can be tested as
// a table. Only what was surely not applied is tried again; a read applies nothing.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "gyre/client.h"

namespace gyre {

enum class NextStep : std::uint8_t {
  kNext,       // ask the next candidate at once
  kPauseNext,  // after a pause
  kGiveUp,
};

struct Verdict {
  NextStep step = NextStep::kGiveUp;
  ClientError error;
};

// What a node said that is no answer to what was asked.
inline Error NoAnswer() {
  return {ErrorCode::kCorruption, "the node does not answer as Gyre does"};
}

// No connection could be had, so nothing was sent.
Verdict AfterNoConnection(const Error& error);
// RespClient::Call failed, or what it brought is no answer to what was asked (kCorruption).
Verdict AfterLostCall(const Error& error, bool is_read);
// The node answered with an error.
Verdict AfterRefusal(const Error& error, bool is_read);

}  // namespace gyre
