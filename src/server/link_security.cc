#include "server/link_security.h"

#include <utility>

namespace gyre {

Result<LinkSecurity> LoadLinkSecurity(const ServerConfig& config, Log* log) {
  const TlsConfig& tls = config.tls;
  LinkSecurity security;
  if (!tls.enabled()) return security;
  Result<std::shared_ptr<TlsContext>> context =
      TlsContext::Load({tls.certificate, tls.key, tls.ca}, log);
  if (!context) {
    return Fail(context.error().code, "cluster.tls: " + context.error().message);
  }
  security.tls = std::move(*context);
  security.encrypt = tls.links;
  security.accept_plain = tls.accept_plain;
  security.verify_name = tls.verify_name;
  return security;
}

}  // namespace gyre
