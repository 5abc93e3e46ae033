// Turns "host:port" into an address without holding up a loop: the system's resolver may block for
// seconds, so it runs on a thread of its own (started when first needed) and the answer is posted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/reactor.h"
#include "net/socket_address.h"

namespace gyre {

class Resolver {
 public:
  using Done = std::function<void(Result<SocketAddress>)>;

  // `reactor` must outlive the resolver.
  explicit Resolver(Reactor& reactor) : reactor_(reactor) {}
  // Does not wait for a lookup under way; its answer is dropped. `done` is not called any more.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` in a later turn of the loop. Lookups run one after the other; the caller bounds
  // how many it asks for.
  void Resolve(std::string text, Done done);

 private:
  struct Shared;
  Reactor& reactor_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace gyre
