// What stands between a socket and its connection and changes the bytes on their way, such as
// encryption (tls_filter.h). It knows no socket, never waits, and keeps no more than it needs to
// go on: what it cannot take yet stays with the caller. It moves from loop to loop with its
// connection (Reactor::Release, Adopt).
#pragma once

#include <string_view>

#include "base/result.h"
#include "net/grow_buffer.h"
#include "net/output_buffer.h"

namespace gyre {

class StreamFilter {
 public:
  virtual ~StreamFilter() = default;
  // Takes all of `wire`, as received. Appends what it means to `plain`, and what the filter itself
  // has to say to `out`, also when it fails.
  // Errors: the connection is of no use any more; the message says why, as half a sentence.
  virtual Status Receive(std::string_view wire, GrowBuffer& plain, OutputBuffer& out) = 0;
  // Takes from `plain` until `out` holds kOutBytesMax or more; nothing as long as the filter is not
  // ready. Called at least once a connection is open, also with nothing to send. Errors: as above.
  virtual Status Send(OutputBuffer& plain, OutputBuffer& out) = 0;
  // Nothing will be sent after this. Once or more often.
  virtual void Finish(OutputBuffer& out) = 0;
  // The peer has said, within the filter's own protocol, that it sends no more.
  virtual bool ended() const = 0;
  // The peer's end came: is that in order? Errors: as above.
  virtual Status CheckEnd() const = 0;
  // Nothing has to be changed on this connection: from the next byte on, both ways, it can do
  // without the filter. Then the filter has said nothing.
  virtual bool superfluous() const = 0;
  virtual bool Encrypts() const = 0;
  // The other side has proved that it is called `name`.
  virtual bool PeerIs(const char* name) const = 0;

  // A turn's share, so that memory stays bounded whatever waits to be sent.
  static constexpr std::size_t kOutBytesMax = 256 * 1024;
};

}  // namespace gyre
