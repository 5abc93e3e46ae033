// One connection between a shard of this node and a shard of another: handshake, then frames.
// Private to src/net; PeerLinks decides who may connect and what a closed link means.
//
//   kHandshake -PeerLinks::OnHandshake accepts-> kUp, or kGuest
//   kHandshake -accepted for another shard, or refused-> kLeaving
//   any -closed, bad frame, silence-> gone
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/wire/message_codec.h"
#include "net/connection.h"
#include "net/frame_reader.h"
#include "net/grow_buffer.h"
#include "net/link_compression.h"

namespace gyre {

class PeerLinks;
struct Peer;

inline constexpr char kTakenForAGuest[] = "it takes this node for a guest, not for a peer";

class PeerLink final : public ConnectionHandler {
 public:
  enum class State : unsigned char { kHandshake, kUp, kGuest, kLeaving };
  // What one guest can make us gather. More than any layout of a cluster.
  static constexpr std::size_t kGuestFrameBytesMax = 16 * 1024 * 1024;

  PeerLink(PeerLinks& links, Connection& connection, bool dialed, Instant now);

  std::size_t OnBytes(std::string_view bytes) override;
  void OnClosed() override;
  std::size_t pending() const override { return 0; }

  // Into this turn's write: by copy, by reference, or (room for `size` bytes) to be filled at once.
  void Send(std::string_view bytes, Instant now) {
    compressor_ ? compressor_->Append(bytes, connection.out()) : connection.out().Append(bytes);
    Sent(now);
  }
  void Send(const Bytes& bytes, Instant now) {
    compressor_ ? compressor_->Append(bytes.view(), connection.out())
                : connection.out().Append(bytes);
    Sent(now);
  }
  // REQUIRES: !compresses().
  char* Grow(std::size_t size, Instant now) {
    Sent(now);
    return connection.out().Grow(size);
  }
  // From here on. What comes says for itself whether it is compressed.
  void Compress() { compressor_.emplace(); }
  bool compresses() const { return compressor_.has_value(); }
  // REQUIRES: compresses().
  LinkCompressor::Counts TakeCompressionCounts() { return compressor_->TakeCounts(); }
  bool carries_frames() const { return state == State::kUp || state == State::kGuest; }
  bool encrypted() const {
    return connection.filter() != nullptr && connection.filter()->Encrypts();
  }
  std::size_t queued_bytes() const { return connection.out().size(); }

  // The owner is going away.
  void Orphan() { links_ = nullptr; }

  Connection& connection;
  const bool dialed;
  State state = State::kHandshake;
  Peer* peer = nullptr;     // once known: at once if dialed, else with the handshake
  std::uint16_t index = 0;  // of the link, same on both sides; valid with `peer`; or kGuestLink
  Handshake theirs;         // in kGuest: who it is
  bool congested = false;   // past the high mark, not yet under the low one
  Instant started;
  Instant last_heard, last_sent;
  bool dials_tls = false;
  std::string problem;  // why we close it

 private:
  void Sent(Instant now) {
    last_sent = now;
    connection.ScheduleFlush();
  }
  std::size_t ReadHandshake(std::string_view bytes);
  std::size_t ReadPeer(std::string_view bytes);
  std::size_t Expand(std::string_view bytes);
  std::size_t ReadFrames(std::string_view bytes);

  PeerLinks* links_;
  std::optional<LinkCompressor> compressor_;
  std::optional<LinkExpander> expander_;
  GrowBuffer expanded_;      // with the expander: what makes no whole frame yet
  bool form_known_ = false;  // whether what comes is compressed
};

}  // namespace gyre
