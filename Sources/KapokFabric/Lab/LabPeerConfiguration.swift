/// What BIRD and FRR are told: eBGP on every link (RFC 7938), BFD every 50 ms times three.
///
/// Only host prefixes are announced: links have addresses out of one block that nobody needs to
/// reach from afar, so that a failure costs each peer as little as it can.
struct LabPeerConfiguration: Sendable {
    /// Names and addresses.
    var layout: LabLayout

    /// BFD's interval in milliseconds (RFC 5880), and how many may be missed.
    static let bfdInterval = 50
    static let bfdMultiplier = 3
    /// BGP's hold time in seconds: the smallest that RFC 4271 permits is 3, usual are 9 with 3.
    static let holdTime = 9

    /// The number of a switch's autonomous system. In a Clos network as RFC 7938 has it: one for
    /// the cores, one for each pod's aggregation switches, one for each edge switch, so that no
    /// path goes down and up again; in a wiring one for each switch.
    func number(of id: SwitchID) -> UInt32 {
        guard case .clos(let clos) = layout.fabric else { return 4_200_000_000 + UInt32(id.index) }
        let at = clos.position(of: id)
        switch at.tier {
        case .core: return 65_000
        case .aggregation: return 64_600 + UInt32(at.pod)
        case .edge: return 65_100 + UInt32(clos.destination(of: id)?.index ?? 0)
        }
    }

    /// A router's name in 32 bits: unique, and nobody's address.
    private func routerID(of id: SwitchID) -> String {
        IPv4Prefix.dotted(192 << 24 | 2 << 8 | UInt32(id.index + 1))
    }

    private func links(of id: SwitchID) -> [(port: PortID, far: PortID)] {
        (0..<layout.fabric.fabricPortCount(of: id)).compactMap { number in
            layout.fabric.neighbor(of: id, port: number).map { (PortID(id, number), $0.far) }
        }
    }

    /// `bird.conf`.
    func bird(of id: SwitchID) -> String {
        var text = """
            log stderr { warning, error, fatal, bug };
            router id \(routerID(of: id));
            protocol device { scan time 10; }
            protocol direct { ipv4; interface "swp*"; }
            protocol kernel {
              ipv4 { import none; export where source = RTS_BGP; };
              merge paths yes limit 64;
            }
            protocol bfd {
              interface "swp*" {
                min rx interval \(Self.bfdInterval) ms;
                min tx interval \(Self.bfdInterval) ms;
                multiplier \(Self.bfdMultiplier);
              };
            }
            filter announced {
              if source = RTS_BGP then accept;
              if source = RTS_DEVICE && net.len = 24 then accept;
              reject;
            }

            """
        for (port, far) in links(of: id) {
            let remote = number(of: far.owner)
            text += """
                protocol bgp link\(port.port + 1) {
                  local \(IPv4Prefix.dotted(layout.address(of: port))) as \(number(of: id));
                  neighbor \(IPv4Prefix.dotted(layout.address(of: far))) as \(remote);
                  interface "\(layout.interface(of: port.port))";
                  direct;
                  bfd on;
                  check link yes;
                  connect delay time 1;
                  error wait time 1, 5;
                  hold time \(Self.holdTime);
                  ipv4 { import all; export filter announced; next hop self; };
                }

                """
        }
        return text
    }

    /// `zebra.conf`. Routes are given to the kernel without next-hop objects: when a device goes
    /// down the kernel takes its next hops out of all groups, and zebra 8.4 does not notice, so
    /// that after a link has come back half of the ways stay unused for ever.
    func zebra() -> String { "no zebra nexthop kernel enable\n" }

    /// `bfdd.conf`.
    func bfdd() -> String {
        """
        bfd
         profile lab
          transmit-interval \(Self.bfdInterval)
          receive-interval \(Self.bfdInterval)
          detect-multiplier \(Self.bfdMultiplier)
         exit
        exit

        """
    }

    /// `bgpd.conf`.
    func bgpd(of id: SwitchID) -> String {
        var text = """
            router bgp \(number(of: id))
             bgp router-id \(routerID(of: id))
             no bgp ebgp-requires-policy
             bgp bestpath as-path multipath-relax
             no bgp network import-check
             timers bgp \(Self.holdTime / 3) \(Self.holdTime)

            """
        for (_, far) in links(of: id) {
            let address = IPv4Prefix.dotted(layout.address(of: far))
            text += """
                 neighbor \(address) remote-as \(number(of: far.owner))
                 neighbor \(address) timers connect 1
                 neighbor \(address) bfd
                 neighbor \(address) bfd profile lab

                """
        }
        text += " address-family ipv4 unicast\n"
        if let destination = layout.fabric.destination(of: id) {
            text += "  network \(layout.prefix(of: destination))\n"
        }
        text += "  maximum-paths 64\n exit-address-family\nexit\n"
        return text
    }
}
