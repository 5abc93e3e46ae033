// Errors as values: Result<T> is a T or an Error. No exceptions cross a room's border.
// A code exists only where a caller acts differently on it; the sentence says what to do.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace gyre {

// Order is part of the wire format (docs/wire-format.md): append only.
enum class ErrorCode : unsigned char {
  kNotFound = 1,         // nothing there: an answer, not a failure
  kInvalidArgument = 2,  // the caller's input is wrong; retrying as is will not help
  kUnavailable = 3,      // too few nodes: surely not applied
  kOutcomeUnknown = 4,   // timed out or cut off: may be applied, now or later
  kOverloaded = 5,       // a limit was reached: surely not applied, retry later
  kWrongEpoch = 6,       // sender and receiver disagree about the ring
  kCorruption = 7,       // bytes that fail their checksum or their format
  kIoError = 8,          // a disk or socket failed
  kUnsupported = 9,      // understood, and not offered
  kStaleCopy = 10,       // between nodes: read before a purge that its reader must know of
};

// The code's name as logs, metrics and the HTTP API show it, such as "outcome_unknown".
constexpr std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kOutcomeUnknown:
      return "outcome_unknown";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kWrongEpoch:
      return "wrong_epoch";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kIoError:
      return "io_error";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kStaleCopy:
      return "stale_copy";
  }
  return "unknown_code";
}

struct Error {
  ErrorCode code = ErrorCode::kIoError;
  std::string message;  // one sentence for a person; never parsed

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// Makes the failed side of any Result: `return Fail(ErrorCode::kNotFound, "no such keyspace");`
// Cold: the compiler takes a branch that comes to it for unlikely, and keeps it away from the rest.
[[gnu::cold]] tl::unexpected<Error> Fail(ErrorCode code, std::string_view message);
[[gnu::cold]] tl::unexpected<Error> Fail(Error error);

}  // namespace gyre
