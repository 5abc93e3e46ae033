#include "net/peer_link.h"

#include <utility>

#include "base/check.h"
#include "net/peer_links.h"
#include "net/tls_filter.h"

namespace gyre {
namespace {

constexpr std::size_t kKeptBytes = 256 * 1024;  // of room for expanded frames

}  // namespace

PeerLink::PeerLink(PeerLinks& links, Connection& its_connection, bool was_dialed, Instant now)
    : connection(its_connection),
      dialed(was_dialed),
      started(now),
      last_heard(now),
      last_sent(now),
      links_(&links) {}

std::size_t PeerLink::OnBytes(std::string_view bytes) {
  if (links_ == nullptr) return bytes.size();
  last_heard = links_->now();
  std::size_t used = 0;
  if (state == State::kHandshake) used = ReadHandshake(bytes);
  if (state == State::kUp) {
    used += ReadPeer(bytes.substr(used));
  } else if (state == State::kGuest) {
    used += ReadFrames(bytes.substr(used));
  }
  return used;
}

void PeerLink::OnClosed() {
  if (links_ != nullptr) links_->OnLinkClosed(*this);
}

std::size_t PeerLink::ReadHandshake(std::string_view bytes) {
  std::size_t used = 0;
  const Result<std::optional<Handshake>> handshake = DecodeHandshake(bytes, used);
  if (!handshake) {
    const bool tls = connection.filter() == nullptr && bytes.front() == kTlsFirstByte;
    links_->OnBadHandshake(*this,
                           tls ? "it speaks TLS, and this node has no certificate (cluster.tls)"
                               : handshake.error().message);
    return bytes.size();
  }
  if (!*handshake) return 0;
  links_->OnHandshake(*this, **handshake);
  return used;
}

std::size_t PeerLink::ReadPeer(std::string_view bytes) {
  if (!form_known_) {
    if (bytes.size() < LinkExpander::kMagic.size()) return 0;
    if (bytes.starts_with(LinkExpander::kMagic)) expander_.emplace();
    form_known_ = true;
  }
  return expander_ ? Expand(bytes) : ReadFrames(bytes);
}

// By steps, so that a small input cannot make us hold a large output.
std::size_t PeerLink::Expand(std::string_view bytes) {
  for (std::string_view left = bytes; !left.empty() && carries_frames();) {
    const Result<std::size_t> taken = expander_->Step(left, expanded_);
    if (!taken) {
      links_->OnBadFrame(*this, taken.error().message);
      break;
    }
    left.remove_prefix(*taken);
    expanded_.Consume(ReadFrames(expanded_.view()));
    if (expanded_.empty()) expanded_.Clear(kKeptBytes);
  }
  return bytes.size();
}

std::size_t PeerLink::ReadFrames(std::string_view bytes) {
  FrameReader reader(bytes, state == State::kGuest ? kGuestFrameBytesMax : kFrameBodyBytesMax);
  while (carries_frames()) {
    const Result<std::optional<Frame>> frame = reader.Next();
    if (!frame) {
      links_->OnBadFrame(*this, frame.error().message);
      return bytes.size();
    }
    if (!frame->has_value()) break;
    if (IsKeepalive(**frame)) continue;
    Result<Envelope> envelope = DecodeFrameBody((*frame)->header, (*frame)->body);
    if (envelope) {
      links_->OnFrame(*this, std::move(*envelope));
    } else if (envelope.error().code == ErrorCode::kUnsupported) {
      links_->OnUnknownFrame(*this);
    } else {
      links_->OnBadFrame(*this, envelope.error().message);
      return bytes.size();
    }
  }
  return reader.used();
}

}  // namespace gyre
