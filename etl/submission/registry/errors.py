"""What can go wrong between us and the platform. Replies are named by code and file, never quoted: they may hold personal values."""

from __future__ import annotations

from etl.errors import EastboundError


class RegistryError(EastboundError):
    exit_code = 3


class MessageUnfit(RegistryError):
    zh = "报文 {kind} 的 {field} 不合规：{problem_zh}"
    en = "message {kind}, {field}: {problem_en}"


class MessageUnreadable(RegistryError):
    zh = "收到的报文无法读取：{problem_zh}"
    en = "the message received cannot be read: {problem_en}"


class PlatformUnreachable(RegistryError):
    zh = "无法与平台通讯（{channel} {place}，已试 {attempts} 次：{reason}）；稍后再次执行同一命令即可继续"
    en = "the platform cannot be reached ({channel} {place}, {attempts} attempt(s): {reason}); run the same command later to go on"
    may_pass = True


class PlatformUntrusted(RegistryError):
    zh = "平台 {place} 的主机密钥或证书不可信（{reason}）；核对后写入 known_hosts 或 CA 文件，不要跳过检查"
    en = "the host key or certificate of {place} is not trusted ({reason}); compare it and add it to known_hosts or the CA file, never skip the check"


class LoginRefused(RegistryError):
    zh = "平台 {place} 拒绝了登录用户 {user}；请核对密钥或口令"
    en = "{place} refuses the login of {user}; check the key or password"


class FileRefused(RegistryError):
    zh = "平台文件通道拒绝 {action} {name}（{reason}）"
    en = "the platform's file channel refuses to {action} {name} ({reason})"


class RequestRefused(RegistryError):
    zh = "平台拒绝了 {kind}：状态码 {status}（{subject}）。此码未见于文档，重试无益，请联系平台"
    en = "the platform refuses {kind}: status {status} ({subject}). It is not a documented code and waiting does not help; ask the platform"


class ReplyMisplaced(RegistryError):
    zh = "平台对 {kind} 的答复 {status} 与所问不符（{subject}）"
    en = "the platform answers {kind} with {status}, which does not fit the question ({subject})"


class StillWorking(RegistryError):
    zh = "平台仍在处理 {subject}，已等 {seconds} 秒；稍后再次执行同一命令即可继续"
    en = "the platform is still working on {subject} after {seconds} s; run the same command later to go on"
    may_pass = True


class BatchUnfit(RegistryError):
    zh = "批次 {batch} 与其说明不符：{problem_zh}"
    en = "batch {batch} is not what it says: {problem_en}"


class ErrorFileUnfit(RegistryError):
    zh = "批次 {batch} 的错误文件无法使用：{problem_zh}"
    en = "the error file of batch {batch} cannot be used: {problem_en}"


class NotReconciled(RegistryError):
    zh = "{day} 补送明细后仍有 {count} 项数字不一致；请人工核对 eastbound registry status"
    en = "{day}: {count} figure(s) still differ after the detail was sent; compare them by hand, see eastbound registry status"
    exit_code = 1


class SettingsUnfit(RegistryError):
    zh = "{path} 的 {key}：{problem_zh}"
    en = "{path}, {key}: {problem_en}"
    exit_code = 2


class SettingsMissing(RegistryError):
    zh = "找不到 {path}：先写明平台地址与登录方式，演示平台用 eastbound registry platform serve 自动写入"
    en = "{path} does not exist: it says where the platform is and how to log in; eastbound registry platform serve writes it for the stand-in"
    exit_code = 2
