#include "client/verdict.h"

namespace gyre {

Verdict AfterNoConnection(const Error& error) {
  switch (error.code) {
    case ErrorCode::kOverloaded:
      return {NextStep::kNext, {ErrorKind::kBusy, error.message}};
    case ErrorCode::kInvalidArgument:
      return {NextStep::kNext, {ErrorKind::kInvalid, error.message}};
    default:
      return {NextStep::kNext, {ErrorKind::kNotConnected, error.message}};
  }
}

Verdict AfterLostCall(const Error& error, bool is_read) {
  if (error.code == ErrorCode::kUnavailable) {  // not a byte was sent
    return {NextStep::kNext, {ErrorKind::kNotConnected, error.message}};
  }
  if (is_read) return {NextStep::kNext, {ErrorKind::kUnavailable, error.message}};
  return {NextStep::kGiveUp, {ErrorKind::kUnknown, error.message}};
}

Verdict AfterRefusal(const Error& error, bool is_read) {
  const NextStep if_read = is_read ? NextStep::kNext : NextStep::kGiveUp;
  switch (error.code) {
    case ErrorCode::kOverloaded:
      return {NextStep::kPauseNext, {ErrorKind::kBusy, error.message}};
    case ErrorCode::kUnavailable:
      return {NextStep::kNext, {ErrorKind::kUnavailable, error.message}};
    case ErrorCode::kOutcomeUnknown:
      return {if_read, {is_read ? ErrorKind::kUnavailable : ErrorKind::kUnknown, error.message}};
    case ErrorCode::kCorruption:
    case ErrorCode::kIoError:  // another owner's copy may be whole
      return {if_read, {ErrorKind::kStorage, error.message}};
    default:
      return {NextStep::kGiveUp, {ErrorKind::kInvalid, error.message}};
  }
}

}  // namespace gyre
