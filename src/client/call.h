// Operations as the bytes of their commands, and what their answers say: the same for the blocking
// and the asynchronous form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/resp_value.h"
#include "gyre/client.h"

namespace gyre {

struct Call {
  std::string key;
  std::string command;  // encoded
  bool is_read = false;
  bool (*is_answer)(const RespValue&) = nullptr;  // is this an answer to the command?
};

Call GetCall(std::string_view key, const GetOptions& options);
// Errors, of all these: kInvalid (a TTL).
Outcome<Call> PutCall(std::string_view key, std::string_view value, const Context& context,
                      const PutOptions& options);
Call DeleteCall(std::string_view key, const Context& context, const DeleteOptions& options);
Outcome<Call> SetCall(std::string_view key, std::string_view value, const SetOptions& options);

// REQUIRES, of all these: is_answer said so of the reply, if it is one.
Outcome<Found> AsFound(Outcome<RespValue> reply);
Outcome<Context> AsContext(Outcome<RespValue> reply);
Outcome<Done> AsDone(const Outcome<RespValue>& reply);
Outcome<std::optional<std::string>> AsNewest(Outcome<Found> found);

}  // namespace gyre
