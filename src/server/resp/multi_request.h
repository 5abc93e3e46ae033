// A command that takes many requests (MGET, SCAN, FLUSHALL, ...): says which request comes next,
// takes the answers, and writes one reply when all are in. The session submits and counts.
// kRunning -Next() gives nothing and all answers are in-> WriteReply, once.
#pragma once

#include <cstdint>
#include <optional>

#include "core/request.h"
#include "net/resp_writer.h"
#include "server/resp/command_table.h"

namespace gyre {

class MultiRequest {
 public:
  virtual ~MultiRequest() = default;
  // How many may be in flight at once.
  virtual std::size_t window() const = 0;
  // The next request, or none for now: it is asked again after each answer. After an error that
  // ends the command: none.
  virtual std::optional<ClientRequest> Next(Now now) = 0;
  // `index` counts the requests that Next() gave, from 0, modulo 2^20.
  virtual void OnResult(std::uint32_t index, ClientResult result, Now now) = 0;
  virtual void WriteReply(RespWriter& out) = 0;
  // Keys that later commands must wait for, as hashes; none if the command is alone (kAlone).
  virtual const std::vector<std::uint64_t>* key_hashes() const { return nullptr; }
};

}  // namespace gyre
