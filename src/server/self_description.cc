#include "server/self_description.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/wire/message_codec.h"

namespace gyre {
namespace {

bool IsAny(std::string_view host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

std::string Told(const std::string& host, std::uint16_t port) {
  return IsAny(host) ? std::string() : HostPort{host, port}.ToString();
}

}  // namespace

Result<DescriptionPtr> DescribeSelf(const ServerConfig& config, const Layout& layout,
                                    const BoundPorts& bound) {
  const auto own = std::find_if(config.members.begin(), config.members.end(),
                                [&](const MemberConfig& m) { return m.name == config.node_name; });
  GYRE_CHECK(own != config.members.end());
  const std::string& peer_host = own->address.host;
  const auto client_host = [&](const HostPort& listen) {
    return IsAny(listen.host) ? peer_host : listen.host;
  };
  const Member* const member = layout.FindMember(NodeIdOf(config.node_name));
  MemberDescription self;
  self.name = config.node_name;
  self.peer_address = Told(peer_host, own->address.port != 0 ? own->address.port : bound.peer);
  self.resp_address = Told(client_host(config.resp_listen), bound.resp);
  self.http_address = Told(client_host(config.http_listen), bound.http);
  self.zone = own->zone;
  self.region = own->region;
  self.weight = member != nullptr ? member->weight : own->weight;
  self.protocol_min = kProtocolVersionMin;
  self.protocol_max = config.protocol_max;
  Result<DescriptionPtr> described = SharedDescription::Make(std::move(self));
  if (described) return described;
  return Fail(ErrorCode::kInvalidArgument,
              "this node cannot be told to the others: its name, zone and region have " +
                  std::to_string(kMemberNameBytesMax) + " bytes at most, its addresses " +
                  std::to_string(kMemberAddressBytesMax));
}

}  // namespace gyre
