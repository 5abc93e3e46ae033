#include "client/cluster_map.h"

#include <utility>

#include "client/steady_clock.h"

namespace gyre {
namespace {

Result<std::string> Ask(RespClient& node, std::string_view command, Instant deadline) {
  const std::string_view words[] = {command};
  Result<RespValue> reply = node.Call(words, deadline - SteadyNow());
  if (!reply) return Fail(std::move(reply.error()));
  if (reply->is_error()) return Fail(ErrorOfReply(reply->text));
  return std::move(reply->text);
}

}  // namespace

Result<NodeFacts> ClusterMap::Meet(RespClient& node, Instant deadline) {
  const Result<std::string> status = Ask(node, "KV.STATUS", deadline);
  if (!status) return Fail(status.error());
  Result<NodeFacts> facts = ParseNodeFacts(*status, keyspace_);
  if (!facts) return facts;
  if (Status checked = CheckCluster(*facts); !checked) return Fail(std::move(checked.error()));
  const std::shared_ptr<const RingView> known = ring();
  if (known == nullptr || known->OutdatedBy(*facts)) Learn(node, *facts, deadline);
  return facts;
}

Status ClusterMap::CheckCluster(const NodeFacts& facts) {
  const std::lock_guard lock(mutex_);
  if (!cluster_) cluster_ = facts.cluster;
  if (*cluster_ == facts.cluster) return {};
  return Fail(ErrorCode::kInvalidArgument, "it is node '" + facts.name + "' of the cluster '" +
                                               facts.cluster + "', while others are of '" +
                                               *cluster_ + "'");
}

// A ring that cannot be had is no reason to refuse the node: it serves all the same.
void ClusterMap::Learn(RespClient& node, const NodeFacts& facts, Instant deadline) {
  const Result<std::string> text = Ask(node, "KV.RING", deadline);
  if (!text) return;
  Result<RingView> learned = RingView::Parse(*text, facts);
  if (!learned) return;
  auto view = std::make_shared<const RingView>(std::move(*learned));
  const std::lock_guard lock(mutex_);
  // Another thread may have learned a later one meanwhile.
  if (ring_ == nullptr || ring_->OutdatedBy(facts)) ring_ = std::move(view);
}

std::shared_ptr<const RingView> ClusterMap::ring() const {
  const std::lock_guard lock(mutex_);
  return ring_;
}

}  // namespace gyre
