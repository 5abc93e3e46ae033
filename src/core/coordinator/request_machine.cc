#include "core/coordinator/request_machine.h"

#include <utility>

#include "base/check.h"

namespace gyre {

void CountError(ErrorCode code, ShardCounters& counters) {
  if (code == ErrorCode::kUnavailable) ++counters.unavailable;
  if (code == ErrorCode::kOutcomeUnknown) ++counters.outcome_unknown;
  if (code == ErrorCode::kOverloaded) ++counters.overloaded;
}

void RequestMachine::Answer(ClientResult&& result, Env& env) {
  GYRE_CHECK(!answered_);
  answered_ = true;
  if (started_.us != INT64_MIN) {
    shard().budget.NoteForeground(env.now.instant - started_, env.now.instant);
  }
  if (!result) CountError(result.error().code, shard().counters);
  if (!origin_.peer) {
    env.out.emplace_back(ReplyEffect{origin_.client, std::move(result)});
    return;
  }
  std::optional<Error> error;
  if (!result) error = std::move(result.error());
  Message reply;
  switch (kind()) {
    case Kind::kGet: {
      ForwardGetReply get{origin_.peer_request, std::move(error), {}};
      if (result) {
        const Record& record = std::get<GetOutcome>(*result).record;
        if (!record.empty()) get.record = record.Encode();
      }
      reply = std::move(get);
      break;
    }
    case Kind::kPut: {
      ForwardPutReply put{origin_.peer_request, std::move(error), {}};
      if (result) put.outcome = std::move(std::get<PutOutcome>(*result));
      reply = std::move(put);
      break;
    }
    case Kind::kScan: {
      ReplicaScanReply scan{origin_.peer_request, std::move(error), {}};
      if (result) scan.outcome = std::move(std::get<ScanOutcome>(*result));
      reply = std::move(scan);
      break;
    }
  }
  env.out.emplace_back(SendEffect{*origin_.peer, origin_.peer_shard, std::move(reply)});
}

}  // namespace gyre
