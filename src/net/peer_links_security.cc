// The part of PeerLinks that decides which links are encrypted, and for whom a certificate is good.
#include <utility>

#include "net/peer_link.h"
#include "net/peer_links.h"
#include "net/tls_filter.h"

namespace gyre {

bool PeerLinks::WantsTls(const Peer& peer) const {
  return Covers(options_.security.encrypt, options_.self_region, peer.config.region);
}

void PeerLinks::Encrypt(PeerLink& link) {
  link.dials_tls = true;
  link.connection.SetFilter(TlsFilter::ForDialing(options_.security.tls));
}

// Whoever dials is not known yet, nor is its region: plain text is refused here only where nobody
// may speak it, and otherwise in SecurityObjection.
void PeerLinks::ListenForTls(const LinkSecurity& security, Connection& connection) {
  if (security.tls == nullptr) return;
  const bool plain_accepted = security.accept_plain || security.encrypt != LinkScope::kAll;
  connection.SetFilter(TlsFilter::ForAccepting(security.tls, plain_accepted));
}

bool PeerLinks::DidNotSpeakTls(const PeerLink& link) const {
  return options_.security.accept_plain && link.dials_tls && link.connection.reached() &&
         link.state == PeerLink::State::kHandshake && !link.encrypted();
}

std::optional<std::string> PeerLinks::SecurityObjection(const PeerLink& link,
                                                        const Handshake& handshake) {
  const LinkSecurity& security = options_.security;
  if (link.encrypted()) {
    if (!security.verify_name || link.connection.filter()->PeerIs(handshake.node.c_str())) {
      return std::nullopt;
    }
    return "its certificate is not for a node called '" + handshake.node + "'";
  }
  const bool guest = link.index == kGuestLink || handshake.link_index == kGuestLink;
  const Peer* const peer = guest ? nullptr : Find(handshake.node_id);
  const bool wanted = peer != nullptr ? WantsTls(*peer) : WantsTlsOfGuests();
  if (security.accept_plain || !wanted) return std::nullopt;
  return "it speaks plain text where TLS is wanted";
}

}  // namespace gyre
