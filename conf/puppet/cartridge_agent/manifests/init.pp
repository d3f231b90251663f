# @summary Configures and starts cartridge-agent, which takes this instance through its life.
#
# @param broker_urls
#   The message brokers, in the order in which they are tried: host:port, or mqtts://host:port.
# @param broker_username
#   The user name, the same for all brokers.
# @param broker_password
#   The password, the same for all brokers. Gets a file of its own (0600), and is never shown in a report.
# @param launch_params
#   Where the user data of this instance is; it is copied once. undef: something else puts it in place.
# @param install_dir
#   A checkout of the agent, after `npm ci --omit=dev`. Comes with the image.
# @param settings
#   Further keys of agent.conf; conf/agent.conf of the agent has all of them. Not for secrets.
#
# @example
#   class { 'cartridge_agent':
#     broker_urls     => ['mqtts://mb1.example.org:8883', 'mqtts://mb2.example.org:8883'],
#     broker_username => 'system',
#     broker_password => Sensitive(lookup('broker_password')),
#     settings        => { 'hook.timeout' => '2m' },
#   }
class cartridge_agent (
  Array[Pattern[/\A\S+\z/], 1] $broker_urls,
  Optional[Pattern[/\A[^\r\n]+\z/]] $broker_username = undef,
  Optional[Sensitive[String[1]]] $broker_password = undef,
  Optional[Pattern[/\A\//]] $launch_params = '/tmp/payload/launch-params',
  Pattern[/\A\//] $install_dir = '/opt/cartridge-agent',
  Hash[Pattern[/\A[\w.]+\z/], Variant[Boolean, Integer, Pattern[/\A[^\r\n]*\z/]]] $settings = {},
) {
  $conf_dir = '/etc/cartridge-agent'
  $unit = '/etc/systemd/system/cartridge-agent.service'

  # libatomic1 is Node's; git and openssh-client fetch the artifacts.
  package { ['ca-certificates', 'git', 'libatomic1', 'openssh-client']:
    ensure => installed,
  }

  file {
    default:
      owner => 'root',
      group => 'root',
    ;
    $conf_dir:
      ensure => directory,
      mode   => '0755',
    ;
    "${conf_dir}/payload":
      ensure => directory,
      mode   => '0700',
    ;
    "${conf_dir}/agent.conf":
      ensure  => file,
      mode    => '0600',
      content => epp('cartridge_agent/agent.conf.epp', {
          'broker_urls'     => $broker_urls,
          'broker_username' => $broker_username,
          'has_password'    => $broker_password =~ NotUndef,
          'settings'        => $settings,
      }),
      notify  => Service['cartridge-agent'],
    ;
    $unit:
      ensure => file,
      mode   => '0644',
      source => "file://${install_dir}/conf/systemd/cartridge-agent.service",
      notify => Service['cartridge-agent'],
    ;
    '/usr/local/bin/cartridge-agent':
      ensure => link,
      target => "${install_dir}/conf/cartridge-agent",
    ;
  }

  if $broker_password =~ NotUndef {
    file { "${conf_dir}/mb.password":
      ensure    => file,
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      content   => $broker_password,
      show_diff => false,
      notify    => Service['cartridge-agent'],
    }
  }

  # Not a file resource: /tmp is empty after a reboot, and the identity of an instance never changes.
  if $launch_params =~ NotUndef {
    exec { 'copy launch-params':
      command => ['install', '-m', '0600', $launch_params, "${conf_dir}/payload/launch-params"],
      creates => "${conf_dir}/payload/launch-params",
      path    => ['/usr/bin', '/bin'],
      require => File["${conf_dir}/payload"],
      notify  => Service['cartridge-agent'],
    }
  }

  # Counts as running once it was started since the last boot: systemd starts it again after a crash, and one that has
  # ended with 0 belongs to an instance that is gone. A restart is harmless: the services go on, and so does the agent.
  service { 'cartridge-agent':
    ensure  => running,
    enable  => true,
    status  => "systemctl show -p ExecMainStartTimestampMonotonic cartridge-agent.service | grep -qv '=0$'",
    require => Package['ca-certificates', 'git', 'libatomic1', 'openssh-client'],
  }
}
