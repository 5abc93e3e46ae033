// How the core's errors look to clients: one table for RESP and HTTP. A client must be able to tell
// surely-not-applied from may-be-applied by the code alone.
#pragma once

#include <array>
#include <string_view>

#include "base/result.h"

namespace gyre {

struct ErrorMapping {
  ErrorCode code;
  std::string_view resp_prefix;  // the first word of a RESP error
  int http_status;
  std::string_view meaning;  // for docs, and where an error has no sentence of its own
};

inline constexpr std::array<ErrorMapping, 10> kErrorMap{{
    {ErrorCode::kNotFound, "ERR", 404, "there is no such thing"},
    {ErrorCode::kInvalidArgument, "ERR", 400, "the request is wrong; it was not applied"},
    {ErrorCode::kUnavailable, "UNAVAILABLE", 503, "too few nodes answer; it was not applied"},
    {ErrorCode::kOutcomeUnknown, "UNKNOWN", 504,
     "the outcome is unknown: it may have been applied, or may yet be"},
    {ErrorCode::kOverloaded, "BUSY", 503, "a limit was reached; it was not applied, retry later"},
    {ErrorCode::kWrongEpoch, "UNAVAILABLE", 503,
     "the nodes disagree about the ring for the moment; it was not applied"},
    {ErrorCode::kCorruption, "CORRUPT", 500, "stored bytes fail their checksum and are not served"},
    {ErrorCode::kIoError, "IOERR", 500, "the storage failed"},
    {ErrorCode::kUnsupported, "ERR", 501, "not offered"},
    {ErrorCode::kStaleCopy, "UNAVAILABLE", 503,
     "the nodes were about to forget deleted keys; it was not applied, retry"},
}};

constexpr const ErrorMapping& MappingOf(ErrorCode code) {
  for (const ErrorMapping& mapping : kErrorMap) {
    if (mapping.code == code) return mapping;
  }
  return kErrorMap[7];  // kIoError: an unknown code is a fault of ours
}

}  // namespace gyre
