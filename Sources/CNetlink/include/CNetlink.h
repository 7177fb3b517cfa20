/// The kernel's headers that Swift's Glibc module leaves out: netlink, routes, next-hop objects,
/// neighbours, links, and timestamps of packets. Function-like macros and flexible arrays that
/// Swift cannot import have a plain function here.
#ifndef CNETLINK_H
#define CNETLINK_H

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "KapokDatagrams.h"
#include "KapokNamespace.h"

/// Receive buffer errors and acknowledgements are read without the `NLMSG_…` macros, which Swift
/// does not import: all headers are aligned to this many bytes.
enum { kapok_netlink_alignment = NLMSG_ALIGNTO };

#endif
