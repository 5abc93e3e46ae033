// The paper's cart (2.1, 4.4): "add to cart" is never refused, and carts that were changed at the
// same time are merged, not chosen between. A cart keeps what was added and what was removed, by
// item and number of the act; the merge is the union of both, so no act of either side is lost.
//   shopping_cart HOST:PORT[,HOST:PORT...] KEY COMMAND...
// where COMMAND is +ITEM, -ITEM, show, or fork (the next +ITEM or -ITEM is written with what had
// been seen before the last one, as another device would).
#include <gyre/client.h>

#include <cstdio>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "addresses.h"

namespace {

struct Cart {
  std::set<std::string> added;    // "item#number": each act of adding is a thing of its own
  std::set<std::string> removed;  // those acts that were taken back

  void Add(const std::string& item) {
    added.insert(item + "#" + std::to_string(added.size()) + device);
  }
  void Remove(const std::string& item) {
    for (const std::string& act : added) {
      if (act.starts_with(item + "#")) removed.insert(act);
    }
  }
  void Merge(const Cart& other) {
    added.insert(other.added.begin(), other.added.end());
    removed.insert(other.removed.begin(), other.removed.end());
  }
  std::set<std::string> Items() const {
    std::set<std::string> items;
    for (const std::string& act : added) {
      if (!removed.contains(act)) items.insert(act.substr(0, act.find('#')));
    }
    return items;
  }
  std::string device;  // two devices never name two acts alike
};

std::string Encode(const Cart& cart) {  // a line for each act; items hold no '#' and no line end
  std::string text;
  for (const std::string& act : cart.added) text += "+" + act + "\n";
  for (const std::string& act : cart.removed) text += "-" + act + "\n";
  return text;
}

Cart Decode(const std::string& text) {
  Cart cart;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('+')) cart.added.insert(line.substr(1));
    if (line.starts_with('-')) cart.removed.insert(line.substr(1));
  }
  return cart;
}

Cart MergeAll(const gyre::Found& found) {
  Cart cart;
  for (const std::string& sibling : found.values) cart.Merge(Decode(sibling));
  return cart;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: shopping_cart HOST:PORT,... KEY ...\n"), 2;
  auto client = gyre::Client::Connect({.addresses = SplitAddresses(argv[1])});
  if (!client) return std::fprintf(stderr, "connect: %s\n", client.error().message.c_str()), 1;
  const std::string key = argv[2];
  gyre::Found seen;
  bool fork = false;
  for (int i = 3; i < argc; ++i) {
    const std::string command = argv[i];
    if (command == "fork") {
      fork = true;
      continue;
    }
    if (!std::exchange(fork, false)) {
      auto found = client->Get(key);
      if (!found) return std::fprintf(stderr, "get: %s\n", found.error().message.c_str()), 1;
      seen = *std::move(found);
    }
    Cart cart = MergeAll(seen);
    cart.device = "@" + std::to_string(i);
    if (command == "show") {
      std::printf("%zu sibling(s):", seen.values.size());
      for (const std::string& item : cart.Items()) std::printf(" %s", item.c_str());
      std::printf("\n");
      continue;
    }
    command[0] == '-' ? cart.Remove(command.substr(1)) : cart.Add(command.substr(1));
    // If the outcome is unknown the act may come twice, which a set does not mind: do it again.
    auto put = client->Put(key, Encode(cart), seen.context);
    for (int again = 0; !put && put.error().kind == gyre::ErrorKind::kUnknown && again < 3;
         ++again) {
      put = client->Put(key, Encode(cart), seen.context);
    }
    if (!put) return std::fprintf(stderr, "put: %s\n", put.error().message.c_str()), 1;
  }
  return 0;
}
