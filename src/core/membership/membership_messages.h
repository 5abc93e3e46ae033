// What nodes say to each other about members: one small struct per type. The binary form is in
// membership_codec.h. Messages are independent of each other: any may be lost, doubled or late.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/ids.h"
#include "core/membership/member_record.h"
#include "core/membership/member_table.h"

namespace gyre {

// Append only: the number is the type byte.
enum class MembershipMessageType : std::uint8_t {
  kPing = 1,
  kPingAck = 2,
  kPingRequest = 3,
  kPingNack = 4,
  kRumours = 5,
  kSyncBegin = 6,
  kSyncSums = 7,
  kSyncEntries = 8,
  kSyncRecords = 9,
};

// ---- failure detection (detector.h). Each carries rumours along --------------------------------

struct Ping {
  std::uint32_t sequence = 0;  // of the sender; the answer gives it back
  std::vector<MemberNews> news;
};
struct PingAck {
  std::uint32_t sequence = 0;
  std::vector<MemberNews> news;
};
// Asks the receiver to ping `target` and to pass its answer on.
struct PingRequest {
  std::uint32_t sequence = 0;
  NodeId target;
  bool nack = false;  // it is to say so when it had no answer in time
  std::vector<MemberNews> news;
};
struct PingNack {
  std::uint32_t sequence = 0;
  std::vector<MemberNews> news;
};

// ---- rumours alone (rumours.h) -----------------------------------------------------------------

struct Rumours {
  std::vector<MemberNews> news;
};

// ---- gossip (gossip.h) -------------------------------------------------------------------------

// Which version of who-owns-what a node has: made elsewhere, compared here. `digest` tells two of
// one number apart.
struct LayoutVersion {
  std::uint64_t number = 0;
  std::uint64_t digest = 0;

  bool operator==(const LayoutVersion&) const = default;
};

// "My table adds up to this": with the sender's own record, as the receiver may not know it.
struct SyncBegin {
  LayoutVersion layout;
  std::uint64_t sum = 0;
  std::vector<MemberNews> news;
};
// The answer: nothing but the sum if that is the same, else each bucket's.
struct SyncSums {
  LayoutVersion layout;
  std::uint64_t sum = 0;
  bool differs = false;
  TableSums sums{};  // if differs
};
// What the sender has in the buckets that differ, without descriptions.
struct SyncEntries {
  std::vector<std::uint8_t> buckets;  // rising
  std::vector<MemberNews> entries;    // all of those buckets
  bool more = false;                  // there were too many for one message
};
// What the receiver of entries has newer, and whose records it wants; then those.
struct SyncRecords {
  std::vector<MemberNews> records;
  std::vector<NodeId> wanted;
  bool more = false;
};

using MembershipMessage = std::variant<Ping, PingAck, PingRequest, PingNack, Rumours, SyncBegin,
                                       SyncSums, SyncEntries, SyncRecords>;

constexpr MembershipMessageType TypeOf(const MembershipMessage& message) {
  return static_cast<MembershipMessageType>(message.index() + 1);
}

// Where rumours may ride along; null: nowhere.
inline std::vector<MemberNews>* NewsIn(MembershipMessage& message) {
  if (auto* ping = std::get_if<Ping>(&message)) return &ping->news;
  if (auto* ack = std::get_if<PingAck>(&message)) return &ack->news;
  if (auto* request = std::get_if<PingRequest>(&message)) return &request->news;
  if (auto* nack = std::get_if<PingNack>(&message)) return &nack->news;
  if (auto* rumours = std::get_if<Rumours>(&message)) return &rumours->news;
  if (auto* begin = std::get_if<SyncBegin>(&message)) return &begin->news;
  return nullptr;
}

}  // namespace gyre
