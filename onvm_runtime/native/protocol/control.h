/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control channel between the manager and the data plane.
 *
 * A unix socket of type SOCK_SEQPACKET at <run>/control.sock, mode 0600.  Each
 * message is this header and one descriptor: a memfd with a JSON text.  Some
 * answers bring a second descriptor: a region to map, or a text of an NF.
 *
 *   request   {"op": OP, …}
 *   answer    {"ok": true, …} or {"ok": false, "error": sentence}, with the
 *             request's number; answers may come in another order than requests
 *   event     number 0: {"event": …}, to every connection that asked for them
 *
 * Operations ("…?" may be missing)
 *
 *   hello      {abi}
 *              -> {abi, pid, version, dpdk, hugepages: bool, buffers, buffer_size}
 *              the first request; another version is refused with both named
 *   events     {} -> {}; from now on this connection gets events
 *   status     {} -> {ports: [{name, id, kind, up, mac, mtu, polled, queues,
 *                             remote: bool}],
 *                     nfs: [{name, id, service, state, weight, waiting,
 *                            module, pid}],
 *                     chains: [{id, name, reverse: bool, draining: bool, in_flight}],
 *                     eras: {now, flows: [of each], moved},
 *                     workers: [{cpu, socket}], default_chain?,
 *                     buffers: {total, out, free}}
 *              state: expected, attached, running, failed; queues: workers that
 *              receive by the port; remote: its device is on another socket than
 *              every worker; socket: -1 where there is but one, or it is not known
 *   counters   {} -> {}; second descriptor: struct onvm_node_counters
 *   port.add   {name, kind, netns?, mtu?, …} -> {id}; kinds and their keys in
 *              docs/ports.md
 *   port.remove {name} -> {}; refused while a chain leaves by it
 *   nf.expect  {name, service, parameters: {}, branches: [service], uid, gid,
 *               dedicated: bool, weight?: 1, stateful?: false, group?: ""}
 *              -> {id, socket}; makes the NF's socket.  Repeated with other parameters it reconfigures the
 *              running NF.  New flows are shared out by weight (0 to 1000); of a
 *              stateful service, established ones stay where they are.  NFs of one
 *              process have a group: they share a doorbell, and as instances of their
 *              services they serve the same flows.
 *   nf.weigh   {weights: {name: weight}} -> {}; all at once.  Weight 0: no new flows
 *   nf.flows   {name} -> {flows}; how many flows the NF has, about
 *   nf.forget  {name} -> {}; stops and detaches it, removes its socket
 *   nf.query   {name, request} -> {reply}; JSON to and from the NF itself
 *   nf.counters {name} -> {}; second descriptor: struct onvm_nf_counters
 *   nf.latency {name} -> {}; second descriptor: struct onvm_nf_latency
 *   latency    {} -> {every, hz, invariant: bool}; second descriptor: struct
 *              onvm_node_latency.  hz: of the time stamp counter
 *   latency.sample {every} -> {}; stamps one packet of `every` from now on, 0: none.
 *              Refused where the counter is not invariant
 *   trace      {chains: [id], count} -> {}; each worker samples the next `count` packets of these
 *              chains, which it then traces as all that are sampled (trace.h)
 *   chain.probe {chain: id, port, frame: hexadecimal} -> {id}; has the frame enter the chain as
 *              if it came by the port, whatever the rules say.  It does not leave (trace.h)
 *   links.silence {seconds} -> {}; no probe leaves for so long, so the other ends of all
 *              links take them for down; what they still send is passed on.  0 ends it
 *   plan       {chains: [{id, name, path: [service], egress: port, reverse: id?}],
 *               rules: [{chain, priority, port?, vlan?, ethertype?, src_mac?,
 *                        dst_mac?, src?, dst?, protocol?, src_ports?: [lo, hi],
 *                        dst_ports?: [lo, hi]}],
 *               default_chain?: id} -> {}
 *              Replaces all chains and rules at once, or nothing.  A chain whose
 *              id is known must be the same as before.  An id that is gone drains:
 *              its packets finish on it.  "reverse" names the chain of return
 *              traffic: flows that leave by this chain come back by that one.
 *   flows.clear {} -> {}; forgets the flow table
 *   stop       {} -> {}; the data plane ends
 *
 * Events
 *   {"event": "nf", "name", "state", "reason"?, "pid"?}  state as above, or
 *              "detached" (its socket closed) or "refused"
 *   {"event": "chain", "id", "state": "drained"}
 *   {"event": "port", "name", "up": bool}
 */
#ifndef ONVM_PROTOCOL_CONTROL_H
#define ONVM_PROTOCOL_CONTROL_H

#include "abi.h"

#define ONVM_CONTROL_MAGIC 0x6f63746cu /* "octl" */
#define ONVM_CONTROL_SOCKET "control.sock"

struct onvm_control_message {
    uint32_t magic;
    uint32_t number; /* the request's, repeated in its answer; 0 in events */
    uint32_t length; /* bytes of the text in the first descriptor */
};

#endif
