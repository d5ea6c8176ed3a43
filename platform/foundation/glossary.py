"""The data dictionary (数据字典): what each column of a hospital's tables is called in Chinese.

An export names its columns in both languages, so that whoever receives it needs no program to read it. The
English words are the column's own name. A column without an entry fails a test.
"""

from __future__ import annotations

_CIPHER = "_cipher"
_WORDS = """
accepted_at=接受时间 accepted_by=接受人 action=操作 active=是否启用 actor_id=操作人编号
actor_kind=操作者类别 actor_name=操作人 admission_count=住院次数 admitted_on=入院日期
age_years=年龄（岁） agent_id=坐席编号 agent_name=坐席 amount_fen=金额（分） answered_at=回答时间
appointment_agent=预约坐席编号 appointment_at=预约时间 approved_at=批准时间 approved_by=批准人
asked_on=提出日期 assessed_by=评估人 assessed_on=评估日期 at=时间 attempts=已尝试次数 audience=适用对象
beds=床位数 benchmark=对标参与 billing_email=账单邮箱 birth_date=出生日期 brand=品牌 by_name=操作人
call_id=通话编号 callback_level=回访满意级别 cancelled_because=取消原因 cancelled_on=取消日期
case_id=反馈单编号 category=类别 channel=渠道 channels=渠道范围 check=检查项 close_reason=结案原因
closed_at=关闭时间 closes_at=截止时间 closes_on=截止日期 code=代码 colour=颜色 completed_at=完成时间
connected_at=接通时间 contact_point_id=联系方式编号 contact_state=可联系状态 content=内容
content_digest=内容摘要 contract_id=合同编号 corrected=更正数 counts=计数 created=新增数
created_at=建立时间 created_by=建立人 currency=币种 decided_at=决定时间 decided_by=决定人
department_id=科室编号 detail=明细 diagnosis=诊断 diagnosis_code=诊断编码 dialled_at=拨号时间
dimension_values=维度得分 discharged_on=出院或就诊日期 disposition=离院方式 doctor=医生
document_file_id=文件编号 done_at=完成时间 done_by=完成人 draft_cipher=草稿 drawn=是否抽中
drawn_at=抽取时间 drawn_size=抽中数 dropped_columns=未保留的列 due_at=到期时间 due_days=付款天数
due_on=到期日期 encounter_id=就诊编号 end_reason=结束原因 ended_at=结束时间 ended_by=终止人
ended_on=结束日期 ends_on=截止日期 enrolment_id=入组编号 erased_at=删除时间 evidence=凭据
excluded=排除原因 explanation=说明 fields=信息种类 figures=数字 file_name=文件名 file_sha256=文件摘要
firm_id=公司编号 firm_signed_at=公司签署时间 first_receiver=首接人 first_receiver_id=首接人编号
found_at=发现时间 frame_size=抽样框大小 given=是否同意 grade=等级 granted_at=授权时间 granted_by=授权人
granted_by_name=授权人姓名 handled_at=处理时间 handled_by=处理人编号 hash=链上摘要 holder=号码归属
hospital_signed_at=医院签署时间 hospital_type=医院类型 hosted_url=付款链接 id=编号
id_number_cipher=证件号码 id_number_index=证件号码索引 identity_checked_at=核验时间
identity_checked_by=核验人 import_id=导入编号 imported_at=导入时间 imported_by=导入人 index_value=指数
invalid_since=失效时间 invoice_id=账单编号 issued_at=开具时间 key=步骤 kind=种类 label=名称 layout=格式
leaves=是否离开 ledger_entry_id=计费明细编号 level=级别 lifted_at=解除时间 lifted_by=解除人 logo=标志
logo_type=标志格式 made_at=生成时间 made_by=生成人 media_type=媒体类型 medical_dispute=医疗纠纷
met_at=达成时间 mode=方式 month=月份 must_not_say_cipher=禁忌话题 name=名称或姓名 name_en=英文名称
next_try_at=下次可联系时间 not_by=不得由谁联系 note=备注 note_cipher=备注 number=编号或序号
number_cipher=号码 number_index=号码索引 number_masked=脱敏号码 on_end=终止后处理 opens_at=开始时间
opens_on=开始日期 outcome=结果 outpatient_rate=门诊抽样率 owner_id=负责人编号 owner_name=负责人
paid_at=付款时间 patient_id=患者编号 patients=患者月数 payment=付款方式 payment_reference=付款凭证号
pdf_file_id=PDF文件编号 person_id=人员编号 plan_id=计划编号 position=顺序 previous_hash=前一条摘要
proposed_at=提出时间 proposed_by=提出人 purpose=目的 purposes=目的范围 quantity=数量 question=题号
questionnaire_id=问卷编号 rank=优先级 rate=比例 reason=原因 received_at=受理时间 record_index=病案号索引
record_number=病案号 region=行政区划代码 reject_reasons=拒收原因计数 rejected=拒收数
rejected_file_id=拒收文件编号 relation=与患者关系 released_at=发布时间 requester=申请人
resolved_at=解决时间 responded_at=首次响应时间 response_id=答卷编号 restricted_at=限制处理时间
result_file_id=结果文件编号 revoked_at=撤销时间 revoked_by_name=撤销人 round=轮次
round_started_at=本轮开始时间 rows=行数 rules=规则 sample_id=抽样编号 seed=随机种子 seller=开票方
seq=序号 service=服务 sex=性别 sha256=文件摘要 shown_name=显示名称 shown_name_en=显示英文名称
signed_at=签署时间 signed_for_firm=公司签署人 signed_for_hospital=医院签署人 size=字节数 source=来源
source_id=来源编号 stage=阶段 started_at=开始时间 started_by=发起人 started_on=开始日期
starts_at=起算时间 starts_on=生效日期 state=状态 stripe_customer=Stripe客户 stripe_invoice=Stripe账单
stripe_state=Stripe状态 subject=对象 subtotal_fen=不含税金额（分） summary=摘要 suspended=暂停未计费
tag=标签 taken_by=登记人 target_on=目标日期 task_id=任务编号 tenant_id=医院编号 text_cipher=反馈内容
tier=分级 total_fen=合计（分） unchanged=未变数 unit_fen=单价（分） until=有效至 updated=更新数
updated_at=更新时间 valid_from=生效日期 valid_to=失效日期 vat_fen=税额（分） vat_rate=税率 version=版本
ward=病区 warnings=提示计数 why=缘由 wish_cipher=诉求 wrapped_key=数据密钥 xlsx_file_id=Excel文件编号
alarms=提醒 answered_by=通常接听人 asks_again=是否需重新征得同意 attempt=运行次数 basis=合法性基础
broken=违例数 by_hand=是否人工指定 columns=列对应 confirmed_at=确认时间 confirmed_by=确认人
contact_type=联系对象类别 content_cipher=消息内容 control_id=消息编号 decision=判定 dialect=方言
enrolled=入组数 event=事件 event_at=事件时间 evidence_file_id=凭据文件编号 expected_hours=预期间隔（小时）
failure=失败原因 file_id=文件编号 finished_at=完成时间 first_id=甲方患者编号 found=核查结果
gone_id=被并入患者编号
header=表头 header_digest=表头摘要 initials=姓名首字母 kept_id=保留患者编号 last_received_at=最近收到时间
last_taken_at=最近入库时间 lease_until=运行租约至 merged_at=合并时间 merged_by=合并人 moved=移动的行
phase=步骤 preferred_part=偏好时段 preview_cipher=预览 progress=进度 progress_of=总量 recorded_by=登记人
row_cipher=原值 row_id=行编号 row_ids=行编号列表 second_id=乙方患者编号 set_at=设定时间 set_by=设定人
start_reason=入组原因 stop_asked_at=要求停止时间 stopped_by_id=停止记录编号 suppressed=停止联系数
suppression_breaches=停止联系核查异常数
table_name=表名 text_en=英文文本 text_id=文本编号 text_zh=中文文本 undone_at=撤销时间 undone_by=撤销人
used_at=最近使用时间 verdicts_file_id=判定明细文件编号 visit=就诊类别 visit_number=就诊流水号
withdrawn_at=撤回时间
given_by=表达人 removed_at=解除时间 removed_by=解除人 removed_reason=解除原因 scope=范围 since=起始时间
overruled=更正前的值
"""
CHINESE: dict[str, str] = dict(entry.split("=", 1) for entry in _WORDS.split())


def describe(column: str) -> tuple[str, str]:
    """(zh, en) of a column; one that is not in the dictionary stands for itself."""
    return CHINESE.get(column, column), column.removesuffix(_CIPHER).replace("_", " ")
