#include "client/blocking_call.h"

#include <thread>
#include <utility>

#include "client/steady_clock.h"

namespace gyre {
namespace {

// The answer, if there is one; else the tries have heard why not.
std::optional<RespValue> Ask(Router& router, const Call& call, Endpoint& endpoint,
                             Endpoint::Lease lease, Tries& tries) {
  const Instant now = SteadyNow();
  const std::optional<Instant> until = tries.OnConnected(now);
  if (!until) {
    lease.GiveBack();
    return std::nullopt;
  }
  Result<RespValue> reply = lease->CallEncoded(call.command, *until - now);
  if (reply && !reply->is_error() && !call.is_answer(*reply)) reply = Fail(NoAnswer());
  if (!reply) {
    endpoint.MarkDown({ErrorCode::kUnavailable, reply.error().message});
    router.Wake();
    tries.OnLost({reply.error().code, reply.error().message + " (" + endpoint.address() + ")"});
    return std::nullopt;
  }
  lease.GiveBack();
  if (!reply->is_error()) return std::move(*reply);
  tries.OnRefused(ErrorOfReply(reply->text));
  return std::nullopt;
}

}  // namespace

Outcome<RespValue> RunBlocking(Router& router, const Call& call) {
  Tries tries(call.is_read, router.limits(), SteadyNow());
  for (;;) {
    const Tries::Step step = tries.Next(router, call.key, SteadyNow());
    if (step.kind == Tries::Step::Kind::kEnd) return tries.error();
    if (step.kind == Tries::Step::Kind::kPause) {
      std::this_thread::sleep_until(ToTimePoint(step.until));
      continue;
    }
    Result<Endpoint::Lease> lease = step.to->Take(step.until);
    if (!lease) {
      router.Wake();
      tries.OnNoConnection(lease.error());
      continue;
    }
    std::optional<RespValue> answer = Ask(router, call, *step.to, std::move(*lease), tries);
    if (answer) return std::move(*answer);
  }
}

}  // namespace gyre
