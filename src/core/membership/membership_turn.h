// What goes in and out of one turn of the membership: time and chance in, messages and events out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/membership/member_record.h"
#include "core/membership/membership_messages.h"

namespace gyre {

// To a node whose address the table has, or that has just sent something; or (id 0) to an address
// of which only that is known. As good as lost if it cannot be reached.
struct MembershipSend {
  NodeId to;
  std::string address;
  MembershipMessage message;
};

struct MembershipEvent {
  enum class Kind : std::uint8_t {
    kMember,          // another member is new, fares otherwise, or describes itself anew
    kSelfLeft,        // this node is told that it is no member any more
    kDoubleIdentity,  // two describe themselves differently under this id: a cloned disk?
    kLayoutBehind,    // `node` has a later version of who-owns-what than this node: ask it
    kLayoutAhead,     // `node` has an earlier one
    kLayoutSplit,     // `node` has had another of the same number for too long
  };
  Kind kind = Kind::kMember;
  NodeId node;
  // kMember:
  std::optional<Life> before;  // nullopt: it was not known
  Life after = Life::kAlive;
  bool described = false;  // its description is new
  // kLayout...: what `node` has.
  LayoutVersion layout = {};
};

struct MembershipOutput {
  std::vector<MembershipSend> sends;
  std::vector<MembershipEvent> events;

  void Send(NodeId to, MembershipMessage message) { sends.push_back({to, {}, std::move(message)}); }
};

struct MembershipTurn {
  Instant now;
  Prng& prng;
  MembershipOutput& out;
};

}  // namespace gyre
